"""Feast for a retraining loop: the features' schema, their freshness, and a snapshot of data to train with."""
