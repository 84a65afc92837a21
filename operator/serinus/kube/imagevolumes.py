"""Whether the API server keeps image volumes; its version alone does not tell, a feature gate decides."""

from typing import Any, Final

from serinus.kube.gateway import Kube
from serinus.kube.resources import DEPLOYMENTS

_NAME: Final = "serinus-rehearsal-"
_VOLUME: Final = {"name": "model", "image": {"reference": "registry.invalid/model:1"}}


async def rehearse_image_volume(kube: Kube, namespace: str) -> bool:
    """Whether a Deployment with an image volume would keep it; a dry run, nothing is made. Raises KubeError."""
    labels = {"app.kubernetes.io/name": "serinus-rehearsal"}
    container = {"name": "model", "image": "registry.invalid/model:1"}
    body: dict[str, Any] = {
        "metadata": {"generateName": _NAME, "namespace": namespace},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container], "volumes": [_VOLUME]}},
        },
    }
    answer = await kube.create(DEPLOYMENTS, body, dry_run=True)
    volumes = answer["spec"]["template"]["spec"].get("volumes") or ()
    return any("image" in volume for volume in volumes)
