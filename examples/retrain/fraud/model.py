"""The classifier: how each family is built, and how one becomes a file and its digest. Never trains by itself; see
`train`."""

import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import joblib
import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import BaggingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from .world import encode

FILE: Final = "model.joblib"
SEED: Final = 7
VOTERS: Final = 20

Flags = NDArray[np.bool_]


def _build_linear() -> Any:
    return make_pipeline(StandardScaler(), LogisticRegression())


def _build_committee() -> Any:
    """Models with interactions, each of which learnt from another sample of the rows, and which vote. Right about every
    region, cheap for a batch, and as many times slower than `linear` for a single payment as there are of them."""
    member = make_pipeline(PolynomialFeatures(2, include_bias=False), StandardScaler(), LogisticRegression(C=10))
    return BaggingClassifier(member, n_estimators=VOTERS, random_state=SEED)


FAMILIES: Final[Mapping[str, Callable[[], Any]]] = {"linear": _build_linear, "committee": _build_committee}


def predict(classifier: Any, rows: Sequence[Mapping[str, Any]]) -> Flags:
    """Which payments are fraud. ValueError for features that make no sense."""
    flags: Flags = np.asarray(classifier.predict(encode(rows)), dtype=np.bool_)
    return flags


def pack(classifier: Any) -> bytes:
    """The file of a model."""
    buffer = io.BytesIO()
    joblib.dump(classifier, buffer)
    return buffer.getvalue()


def unpack(content: bytes, digest: str) -> Any:
    """What `pack` wrote. ValueError where the bytes are not those of `digest`: the file is a pickle, and nobody's word
    is taken for what is in it."""
    found = digest_of(content)
    if found != digest:
        raise ValueError(f"the model has digest {found}, not {digest}")
    return joblib.load(io.BytesIO(content))


def digest_of(content: bytes) -> str:
    """`sha256:` and 64 hexadecimal digits."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
