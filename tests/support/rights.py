"""Rights that a test gives the operator: what the chart cannot know, such as Secrets in namespaces of the test."""

import json

from tests.cluster import Cluster
from tests.rights.release import NAME, NAMESPACE


def grant_secret(cluster: Cluster, namespace: str, secret: str) -> None:
    """Let the operator read one Secret by name."""
    api, metadata = "rbac.authorization.k8s.io", {"name": f"serinus-{secret}", "namespace": namespace}
    role = {
        "kind": "Role",
        "apiVersion": f"{api}/v1",
        "metadata": metadata,
        "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"], "resourceNames": [secret]}],
    }
    binding = {
        "kind": "RoleBinding",
        "apiVersion": f"{api}/v1",
        "metadata": metadata,
        "roleRef": {"apiGroup": api, "kind": "Role", "name": metadata["name"]},
        "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": NAMESPACE}],
    }
    cluster.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": [role, binding]}))
