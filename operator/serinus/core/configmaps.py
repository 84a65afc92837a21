"""ConfigMaps that a pod template refers to are content: a change of their data is a new revision.

Each revision has copies of its own, which never change, so that a rollback serves the data of then and a pod that is
replaced in mid-run does not pick up the new ones. Secrets are never read, and so are no content."""

import copy
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from serinus.api.meta import LABEL_CHECK_OF, LABEL_REVISION
from serinus.api.podtemplate import child
from serinus.core.names import fit_name

Raw = dict[str, Any]

ABSENT: Final = ""
"""Stands for the digest of a ConfigMap that is not there and need not be."""
_NAME_LIMIT: Final = 253
REPORT_LIMIT: Final = 32_768
"""Longest report of a check that is read, in characters."""
RESULTS_KEY: Final = "results.json"
"""Where the report of a check stands in a ConfigMap."""
_DIGEST: Final = "digest"
_KEYS: Final = "keys"


@dataclass(frozen=True)
class Reference:
    """Where a pod template names a ConfigMap. `path` starts at the pod's spec; `optional` ones may be missing."""

    name: str
    path: str
    optional: bool


def list_references(template: Mapping[str, Any]) -> tuple[Reference, ...]:
    """Every ConfigMap that the template names, in the order of the template."""
    found = []
    for holder, path in _holders(child(template.get("spec"))):
        name = holder.get("name")
        if isinstance(name, str) and name:
            found.append(Reference(name, f"{path}.name", holder.get("optional") is True))
    return tuple(found)


def rename(template: Raw, names: Mapping[str, str]) -> Raw:
    """The template with other ConfigMaps in place of those in `names`."""
    changed = copy.deepcopy(template)
    for holder, _ in _holders(child(changed.get("spec"))):
        name = holder.get("name")
        if isinstance(name, str) and name in names:
            holder["name"] = names[name]
    return changed


def name_copy(revision: str, name: str) -> str:
    """Name of the copy of ConfigMap `name` that belongs to `revision`."""
    return fit_name(f"{revision}-{name}", _NAME_LIMIT)


def digest_of(config_map: Raw) -> str:
    """SHA-256 (hex) of the data, whether the object is whole or slim."""
    known = config_map.get(_DIGEST)
    if known is not None:
        return str(known)
    data = {"data": config_map.get("data") or {}, "binaryData": config_map.get("binaryData") or {}}
    canonical = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def keys_of(config_map: Raw) -> tuple[str, ...]:
    """The keys of the data in their order, whether the object is whole or slim."""
    known = config_map.get(_KEYS)
    if known is not None:
        return tuple(known)
    return tuple(sorted({**(config_map.get("data") or {}), **(config_map.get("binaryData") or {})}))


_KEPT: Final = ("name", "namespace", "uid", "resourceVersion", "labels", "ownerReferences")


def slim(config_map: Raw) -> Raw:
    """What is worth remembering of a ConfigMap: who it is, the digest and the keys of its data, and the report of a
    check."""
    metadata = config_map["metadata"]
    kept = {
        "metadata": {field: metadata[field] for field in _KEPT if field in metadata},
        _DIGEST: digest_of(config_map),
        _KEYS: list(keys_of(config_map)),
    }
    report = (config_map.get("data") or {}).get(RESULTS_KEY)
    if LABEL_CHECK_OF in (metadata.get("labels") or {}) and report is not None:
        # One character more than is read, so that a report that is too long is known to be.
        kept["data"] = {RESULTS_KEY: report[: REPORT_LIMIT + 1]}
    return kept


def build_copy(metadata: Raw, source: Raw) -> Raw:
    """A ConfigMap with the data of `source` that can never change."""
    data = {field: source[field] for field in ("data", "binaryData") if source.get(field)}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "immutable": True, **data}


def revision_of(config_map: Raw) -> str | None:
    """The revision that a copy belongs to."""
    label = (config_map["metadata"].get("labels") or {}).get(LABEL_REVISION)
    return str(label) if label is not None else None


def _holders(pod: Mapping[str, Any]) -> Iterator[tuple[Raw, str]]:
    """Each object of a pod spec whose `name` names a ConfigMap, with its path."""
    for group in ("initContainers", "containers"):
        for i, container in _objects(pod, group):
            for k, entry in _objects(container, "envFrom"):
                yield from _child(entry, "configMapRef", f"{group}[{i}].envFrom[{k}]")
            for k, entry in _objects(container, "env"):
                source = entry.get("valueFrom")
                if isinstance(source, dict):
                    yield from _child(source, "configMapKeyRef", f"{group}[{i}].env[{k}].valueFrom")
    for i, volume in _objects(pod, "volumes"):
        yield from _child(volume, "configMap", f"volumes[{i}]")
        projected = volume.get("projected")
        if isinstance(projected, dict):
            for k, entry in _objects(projected, "sources"):
                yield from _child(entry, "configMap", f"volumes[{i}].projected.sources[{k}]")


def _child(parent: Raw, key: str, path: str) -> Iterator[tuple[Raw, str]]:
    found = parent.get(key)
    if isinstance(found, dict):
        yield found, f"{path}.{key}"


def _objects(parent: Mapping[str, Any], key: str) -> Iterator[tuple[int, Raw]]:
    entries = parent.get(key)
    for i, entry in enumerate(entries if isinstance(entries, list) else ()):
        if isinstance(entry, dict):
            yield i, entry
