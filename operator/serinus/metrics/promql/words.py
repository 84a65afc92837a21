"""The words that a user's query may use: functions, aggregations, labels and variables. Closed lists.

A function is in the list only if it has no value where its argument has none, and leaves labels as they are.
"""

import re
from collections.abc import Callable
from typing import Final

VARIABLES: Final = ("namespace", "deployment", "revision")
"""What may stand in double braces in the value of a label: names of the object and of the revision that is measured."""

NAMESPACE_LABELS: Final = frozenset(
    ("namespace", "exported_namespace", "kubernetes_namespace", "kube_namespace", "k8s_namespace_name")
)
POD_LABELS: Final = frozenset(
    ("pod", "exported_pod", "kubernetes_pod_name", "kubernetes_pod", "pod_name", "kube_pod", "k8s_pod_name")
)
CONFINING: Final = NAMESPACE_LABELS | POD_LABELS
"""Labels that say whose a series is, as servers and agents name them; only the operator selects by them."""

FUNCTIONS: Final = frozenset(
    (
        *("rate", "irate", "increase", "delta", "idelta", "deriv", "predict_linear", "changes", "resets"),
        *("avg_over_time", "min_over_time", "max_over_time", "sum_over_time", "count_over_time", "last_over_time"),
        *("quantile_over_time", "stddev_over_time", "stdvar_over_time", "present_over_time"),
        *(
            "abs",
            "ceil",
            "floor",
            "round",
            "sgn",
            "sqrt",
            "exp",
            "ln",
            "log2",
            "log10",
            "clamp",
            "clamp_min",
            "clamp_max",
        ),
        *("time", "timestamp"),
    )
)

AGGREGATIONS: Final = frozenset(("sum", "avg", "min", "max", "count", "group", "stddev", "stdvar", "quantile"))

_BUCKETS: Final = (
    "a quantile is guessed between two buckets and hides how many answers it stands for; use a histogram metric instead"
    " (its query is the histogram's name), and the buckets themselves are compared"
)
_NUMBER_FROM_NOTHING: Final = "it gives a number where there are no data, and no data is an answer of its own"
_LABELS: Final = "it rewrites labels, by which the revisions and their pods are told apart"
_SEVERAL: Final = "it gives several series where one value is meant; use max(), min() or avg()"

REFUSED: Final = {
    "histogram_quantile": _BUCKETS,
    "histogram_quantiles": _BUCKETS,
    "histogram_fraction": _BUCKETS,
    "vector": _NUMBER_FROM_NOTHING,
    "absent": _NUMBER_FROM_NOTHING,
    "absent_over_time": _NUMBER_FROM_NOTHING,
    "scalar": "it hides how many series there are, and is NaN without any; leave it out",
    "label_replace": _LABELS,
    "label_join": _LABELS,
    "info": "it adds labels of series that are not the revision's own",
    "topk": _SEVERAL,
    "bottomk": _SEVERAL,
    "limitk": _SEVERAL,
    "limit_ratio": _SEVERAL,
    "count_values": "it makes labels from values; use count()",
    "sort": "one value needs no order",
    "sort_desc": "one value needs no order",
}
"""Why a function or aggregation that many know is not in the lists, and what to do instead."""

_VARIABLE: Final = re.compile(r"\{\{([^{}]*)\}\}")


def find_variable_problem(value: str) -> str | None:
    """What is wrong with the variables in the value of a label, None if nothing is."""
    unknown = [found[0] for found in _VARIABLE.finditer(value) if found[1].strip() not in VARIABLES]
    if "{{" in _VARIABLE.sub("", value):
        unknown.append("{{ without }}")
    if not unknown:
        return None
    known = ", ".join("{{" + name + "}}" for name in VARIABLES)
    return f"{unknown[0]} is no variable; known are {known}"


def has_variables(value: str) -> bool:
    """Whether the value of a label holds a variable."""
    return _VARIABLE.search(value) is not None


def fill_variables(value: str, value_of: Callable[[str], str]) -> str:
    """The value of a label with its variables filled in by what `value_of` says of their names."""
    return _VARIABLE.sub(lambda found: value_of(found[1].strip()), value)
