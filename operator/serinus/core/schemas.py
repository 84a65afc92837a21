"""Whether a candidate's feature schema still serves the callers of stable."""

from serinus.api.status import CandidateState
from serinus.core.features import compare_features
from serinus.core.snapshot import Snapshot


def find_breaks(s: Snapshot, stable: str, candidate: str) -> tuple[str, ...]:
    """What breaks callers of revision `stable` that meet `candidate`; nothing where either has no schema."""
    if stable not in s.features or candidate not in s.features:
        return ()
    return compare_features(s.features[stable], s.features[candidate])


def is_incompatible(s: Snapshot, stable: str, candidate: CandidateState) -> bool:
    """Whether the candidate must not get traffic for that. A return is a way back, and no schema stands before that."""
    schema = s.spec.model.schema_ if s.spec.model else None
    if schema is None or schema.on_incompatible == "Proceed" or candidate.returning or candidate.traffic_since:
        return False
    return bool(find_breaks(s, stable, candidate.revision))
