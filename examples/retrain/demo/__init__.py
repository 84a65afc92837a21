"""The demo of the retraining loop: drift, a better model, one that is unfair, one that is slow, on a real cluster."""
