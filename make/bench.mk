# Benchmarks: each prints a table and writes build/bench/NAME.json; all but bench-judge start a node cluster of their own.
# None of them is a test.
ROUNDS ?= 20
IDLE_SECONDS ?= 300
RUNS ?= 2000

.PHONY: bench bench-rollback bench-writes bench-judge bench-page

bench: bench-rollback bench-writes bench-judge

bench-rollback: setup ## how fast a bad revision is off traffic (ROUNDS=20)
	$(PYTHON) -m tests.bench.rollback --rounds $(ROUNDS)

bench-writes: setup ## what a rollout and idle objects cost (IDLE_SECONDS=300)
	IDLE_SECONDS=$(IDLE_SECONDS) $(PYTHON) -m tests.bench.writes

bench-judge: setup ## how right and how fast the judge is, simulated (RUNS=2000: about 20 minutes on two cores)
	$(PYTHON) -m tests.bench.judge --runs $(RUNS)

bench-page: setup ## write docs/benchmarks.md from the last figures
	$(PYTHON) -m tests.bench.judge.page
