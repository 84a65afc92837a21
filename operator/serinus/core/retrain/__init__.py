"""Decisions of the retraining loop: pure functions over samples, records and time.

    reading     what Prometheus said, or why nothing is known
    triggers    one metric trigger, a window at a time; schedule, newdata and events are the other kinds
    groups      which triggers come together, and what asks for a run
    looks       when a metric is to be looked at next
    cost        what a run may cost
    records     what is known of the runs so far; cooldown, budget and history rest on them
    decision    start, wait, roll back, or nothing; obstacles are what may stand in the way
    commands    what people and other systems say

Unknown is a value of its own: what is not known never fires, never clears and never starts anything.
"""
