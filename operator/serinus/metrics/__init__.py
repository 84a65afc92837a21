"""Metrics: how they are read. The only package that imports prometheus_api_client."""
