# Benchmarks: each starts a node cluster of its own, prints a table and writes build/bench/NAME.json. None of them is a test.
ROUNDS ?= 20
IDLE_SECONDS ?= 300

.PHONY: bench bench-rollback bench-writes

bench: bench-rollback bench-writes

bench-rollback: setup ## how fast a bad revision is off traffic (ROUNDS=20)
	$(PYTHON) -m tests.bench.rollback --rounds $(ROUNDS)

bench-writes: setup ## what a rollout and idle objects cost (IDLE_SECONDS=300)
	IDLE_SECONDS=$(IDLE_SECONDS) $(PYTHON) -m tests.bench.writes
