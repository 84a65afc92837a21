"""Every feature of the chart switched on, as test clusters have it: all of them are tested."""

from typing import Any, Final

FEATURES: Final[dict[str, Any]] = {
    "features": {
        "retraining": True,
        "grpcRoutes": True,
        "inferencePools": True,
        "pullRequests": True,
        "events": True,
        "kueue": True,
    },
    "training": {"kinds": ["batch/v1/Job", "argoproj.io/v1alpha1/Workflow", "ray.io/v1/RayJob"]},
    "events": {"secret": "events"},
    "pullRequests": {"hosts": ["git.example"]},
    "rbac": {"secrets": {"providers": ["guarded-token"]}},
    # A second replica, and one whose rights are taken away, act under accounts of their own.
    "admission": {
        "operators": ["system:serviceaccount:serinus-system:second", "system:serviceaccount:serinus-system:bound-hands"]
    },
}
"""Values that every install of the tests has in common. What may train and is not installed is waited for. Which
Secrets with the access to git servers may be read is said by the tests that use some, in namespaces of their own."""
