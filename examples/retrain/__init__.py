"""The retraining loop, seen: a fraud classifier that drifts, and everything that makes it better again."""
