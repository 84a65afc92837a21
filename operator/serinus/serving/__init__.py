"""Talks to model servers, and to nobody else."""
