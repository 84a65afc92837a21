"""What roles grant: from manifests to pairs of a resource and a verb."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

Raw = dict[str, Any]


class Right(NamedTuple):
    """One thing that may be done. `resource` with its subresource, for example `modeldeployments/status`; `group` is
    empty for the core group."""

    group: str
    resource: str
    verb: str

    def __str__(self) -> str:
        plural, _, subresource = self.resource.partition("/")
        place = f"{plural}.{self.group}" if self.group else plural
        return f"{self.verb} {place}{'/' if subresource else ''}{subresource}"


def rights_of(rules: Iterable[Raw]) -> frozenset[Right]:
    """The rights that rules give, each once. Rules about paths are no rights on resources."""
    return frozenset(
        Right(group, resource, verb)
        for rule in rules
        for group in rule.get("apiGroups") or ()
        for resource in rule.get("resources") or ()
        for verb in rule.get("verbs") or ()
    )


def rules_for(manifests: Iterable[Raw | None], account: str) -> Iterator[Raw]:
    """The rules of all roles in `manifests` that are bound to the service account of this name, wherever it is."""
    objects = [one for one in manifests if one]
    roles = {_place(one): one for one in objects if one.get("kind") in ("Role", "ClusterRole")}
    for binding in objects:
        if binding.get("kind") not in ("RoleBinding", "ClusterRoleBinding"):
            continue
        subjects = binding.get("subjects") or ()
        if not any((one.get("kind"), one.get("name")) == ("ServiceAccount", account) for one in subjects):
            continue
        reference = binding["roleRef"]
        namespace = binding["metadata"].get("namespace", "") if reference["kind"] == "Role" else ""
        role = roles.get((reference["kind"], namespace, reference["name"]))
        yield from (role or {}).get("rules") or ()


def find_excess(rights: Iterable[Right]) -> list[str]:
    """What no operator of ours may have, in words; empty where there is nothing of the kind. Secrets may be read by
    name alone, which `find_unnamed_secrets` looks at."""
    found = []
    for right in sorted(rights):
        if "*" in right:
            found.append(f"{right}: a wildcard")
        elif right.resource.startswith("secrets") and right.verb != "get":
            found.append(f"{right}: Secrets are read by name")
        elif right.resource == "pods" and right.verb not in ("get", "list", "watch"):
            found.append(f"{right}: pods are made by Deployments and Jobs")
        elif right.resource.startswith("pods/") or right.resource.split("/")[0] == "nodes":
            found.append(f"{right}: not an operator's business")
        elif right.verb in ("escalate", "bind", "impersonate"):
            found.append(f"{right}: more power than it has")
        elif right.group in ("rbac.authorization.k8s.io", "admissionregistration.k8s.io"):
            found.append(f"{right}: the cluster's own rules")
    return found


def find_unnamed_secrets(rules: Iterable[Raw]) -> list[Raw]:
    """Rules that give Secrets without saying which."""
    return [one for one in rules if "secrets" in (one.get("resources") or ()) and not one.get("resourceNames")]


def _place(role: Raw) -> tuple[str, str, str]:
    metadata = role["metadata"]
    return role["kind"], metadata.get("namespace", "") if role["kind"] == "Role" else "", metadata["name"]
