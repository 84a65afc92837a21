"""Controllers of the retraining loop: gather -> decide (core/retrain) -> execute -> one status write.

A policy starts, cancels and forgets runs; each run goes its own way by what it sees. Neither waits for anything."""
