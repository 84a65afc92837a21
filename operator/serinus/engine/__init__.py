"""Mechanism: store, queue, workers, resync, leadership. Knows nothing of models; of Kubernetes, only raw dicts."""
