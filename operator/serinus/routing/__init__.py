"""Routing: one small translator per way to split traffic: weights -> objects, objects -> weights.

Translators write nothing themselves and know nothing of rollouts; `serinus.controllers` applies what they build.
"""
