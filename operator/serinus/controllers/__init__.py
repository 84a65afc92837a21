"""Controllers: per kind, gather what is observed, let the core decide, carry out the plan, write one status.

The only place where decisions meet effects. No decision is taken here.
"""
