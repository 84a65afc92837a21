"""Decisions: pure functions over frozen values.

Nothing here reads a clock, waits, logs or performs input or output; time and every observation are arguments. What is
decided comes back as data (`plan.Plan`) and is carried out by `serinus.controllers`.
"""
