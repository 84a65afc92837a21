"""Serinus: a Kubernetes operator that releases machine-learning models on evidence."""

__version__ = "0.1.0"
