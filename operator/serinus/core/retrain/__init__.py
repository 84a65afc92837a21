"""Decisions of the retraining loop, from a number in Prometheus to a model that has proven itself. Pure:

    triggers -> decision -> a run: child -> results -> gates -> approval -> promotion -> observation

Whatever is not known (no data, a child that is gone, results without a digest, a gate without evidence) is a value of
its own, and never counts as good. A policy decides whether a run starts (`policy`), a run decides by itself how it goes
on (`run`)."""
