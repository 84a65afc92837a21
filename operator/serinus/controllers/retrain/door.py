"""Events that came in from outside are told to their policy as commands, like everybody's: what was answered with yes
stands in the cluster, whichever replica has taken it, and the same event is told once."""

import asyncio
from typing import Any, Final, Literal

from serinus.api.meta import ANNOTATION_COMMAND, ANNOTATION_COMMAND_BY
from serinus.api.status import LastCommand
from serinus.kube.errors import Conflict, KubeError, NotFound
from serinus.kube.gateway import Kube
from serinus.kube.resources import RETRAINPOLICIES

PAUSE: Final = 0.25
"""Seconds before a command that is not read yet is looked at again."""
ATTEMPTS: Final = 12


async def tell_policy(
    kube: Kube, namespace: str, policy: str, words: tuple[str, str, str]
) -> Literal["taken", "unknown", "away"]:
    """Write the command `event TYPE KEY SOURCE`. A command of somebody else that is not carried out yet is never
    written over: it is waited for, for three seconds, and then the event has to come again."""
    text = " ".join(("event", *words))
    for _ in range(ATTEMPTS):
        try:
            raw = await kube.find(RETRAINPOLICIES, namespace, policy)
            written, done = _read(raw)
            if written == text:
                return "taken"
            if written is None or LastCommand(text=written).text == done:
                # Whoever gave the last command did not give this one.
                annotations = {ANNOTATION_COMMAND: text, ANNOTATION_COMMAND_BY: None}
                version = raw["metadata"]["resourceVersion"]
                patch = {"metadata": {"resourceVersion": version, "annotations": annotations}}
                await kube.merge_patch(RETRAINPOLICIES, namespace, policy, patch, manager="serinus/receiver")
                return "taken"
        except NotFound:
            return "unknown"
        except Conflict:
            pass
        except KubeError:
            return "away"
        await asyncio.sleep(PAUSE)
    return "away"


def _read(raw: dict[str, Any]) -> tuple[str | None, str | None]:
    """The command that is written, and the one that was carried out last."""
    annotations = raw["metadata"].get("annotations") or {}
    last = (raw.get("status") or {}).get("lastCommand") or {}
    return annotations.get(ANNOTATION_COMMAND) or None, last.get("text")
