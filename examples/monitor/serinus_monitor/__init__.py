"""Compares logged predictions with what the model was trained on, and with labels, and tells Prometheus."""
