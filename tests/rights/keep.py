"""Leaves a summary of a cluster that is about to be stopped."""

import itertools
import json
from pathlib import Path

from tests.cluster import Cluster
from tests.cluster.errors import ClusterError
from tests.rights.audit import read_asked
from tests.rights.release import ACCOUNT

_numbers = itertools.count(1)


def keep_summary(cluster: Cluster, folder: Path) -> None:
    """Write what the operator asked for, or why that is not known; nothing of a cluster in which it never was."""
    tier = cluster.name.rpartition("-")[0]
    try:
        with cluster.audit_log.open(encoding="utf-8", errors="replace") as lines:
            asked = read_asked(lines, ACCOUNT)
        summary = asked.dump(ACCOUNT)
        if not asked.used and not asked.denied:
            return
    except (ClusterError, FileNotFoundError) as error:
        summary = {"account": ACCOUNT, "used": [], "denied": [], "unmeasured": str(error)}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{cluster.name}-{next(_numbers)}.json").write_text(json.dumps({"tier": tier, **summary}))
