"""Decisions of the retraining loop, from a number in Prometheus to a model that has proven itself. Pure:

    triggers -> decision -> a run: child -> results -> gates -> approval -> promotion -> observation

A policy decides whether a run starts (`policy`), a run decides by itself how it goes on (`run`)."""
