"""How old the features of a service are, as values for a gate.

What is not known is not there: a gate that finds no value blocks, and an age of nothing would be no evidence.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from .errors import DataError


def measure_freshness(store: Any, service: Any, now: datetime, window: timedelta | None) -> dict[str, Any]:
    """Ages in seconds by view: `materialized_age_seconds` since the end of the last materialisation, and with `window`
    `newest_age_seconds` of the newest row that the offline store has within it.

    `oldest_age_seconds` is the greatest of them, and is missing where one of them is unknown.
    """
    views: dict[str, dict[str, float | None]] = {}
    for view in list_views(store, service):
        ages: dict[str, float | None] = {}
        if view.online:
            ends = [_aware(end) for _, end in view.materialization_intervals]
            ages["materialized_age_seconds"] = _age(max(ends), now) if ends else None
        if window is not None:
            newest = find_newest(store, view, now - window, now)
            ages["newest_age_seconds"] = None if newest is None else _age(newest, now)
        views[str(view.name)] = ages
    known = [age for ages in views.values() for age in ages.values()]
    if not known:
        raise DataError("no view of the service is online: ask for the newest rows with --newest-within")
    unknown = sorted(name for name, ages in views.items() if None in ages.values() or not ages)
    found: dict[str, Any] = {
        "views": {name: {key: age for key, age in ages.items() if age is not None} for name, ages in views.items()},
        "unknown_views": len(unknown),
    }
    if not unknown:
        found["oldest_age_seconds"] = max(age for age in known if age is not None)
    return found


def list_views(store: Any, service: Any) -> Iterator[Any]:
    """The views that hold the features of a service; for a view on demand, those that it is made from."""
    wanted, seen = [str(projection.name) for projection in service.feature_view_projections], set()
    on_demand = {view.name: view for view in store.list_on_demand_feature_views()}
    while wanted:
        name = wanted.pop(0)
        if name in seen:
            continue
        seen.add(name)
        if name in on_demand:
            wanted += [str(source.name) for source in on_demand[name].source_feature_view_projections.values()]
        else:
            yield store.get_feature_view(name)


def find_newest(store: Any, view: Any, start: datetime, end: datetime) -> datetime | None:
    """The time of the newest row that the offline store has of a view, between two times."""
    import pyarrow.compute

    source = view.batch_source
    column = source.timestamp_field
    job = store.provider.offline_store.pull_latest_from_table_or_query(
        config=store.config,
        data_source=source,
        join_key_columns=[field.name for field in view.entity_columns],
        feature_name_columns=[field.name for field in view.features],
        timestamp_field=column,
        created_timestamp_column=source.created_timestamp_column or None,
        start_date=start,
        end_date=end,
    )
    newest = pyarrow.compute.max(job.to_arrow().column(column)).as_py()
    return None if newest is None else _aware(newest)


def _age(moment: datetime, now: datetime) -> float:
    return round(max(0.0, (now - moment).total_seconds()), 3)


def _aware(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
