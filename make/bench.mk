# Benchmarks: each prints a table and writes build/bench/NAME.json; most start a node cluster.
# None of them is a test.
ROUNDS ?= 20
IDLE_SECONDS ?= 300
RUNS ?= 2000
SECONDS_OF_NOISE ?= 600
WINDOWS ?= 2000
MONTHS ?= 200

.PHONY: bench bench-rollback bench-release bench-writes bench-judge bench-noise bench-monitor bench-retrain bench-page

bench: bench-rollback bench-release bench-writes bench-judge bench-retrain

bench-rollback: setup ## how fast a bad revision is off traffic (ROUNDS=20)
	$(PYTHON) -m tests.bench.rollback --rounds $(ROUNDS)

bench-release: setup ## what releases cost: lost requests, stages, model loads (ROUNDS=20)
	$(PYTHON) -m tests.bench.release --rounds $(ROUNDS)

bench-writes: setup ## what a rollout and idle objects cost (IDLE_SECONDS=300)
	IDLE_SECONDS=$(IDLE_SECONDS) $(PYTHON) -m tests.bench.writes

bench-judge: setup ## how right and how fast the judge is, simulated (RUNS=2000: about 20 minutes on two cores)
	$(PYTHON) -m tests.bench.judge --runs $(RUNS)

bench-noise: setup ## equal model servers against each other: false alarms on the noise of this machine (SECONDS_OF_NOISE=600)
	$(PYTHON) -m tests.bench.noise --seconds $(SECONDS_OF_NOISE)

bench-monitor: setup ## windows without change that the drift monitor flags, and how soon it sees a shift (WINDOWS=2000: about 5 minutes)
	$(PYTHON) -m tests.bench.monitor --windows $(WINDOWS)

bench-retrain: setup ## false triggers, delays, a thousand policies, simulated; a loop killed at every write (MONTHS=200: a few minutes)
	$(PYTHON) -m tests.bench.retrain --months $(MONTHS) --shifts $(MONTHS)

bench-page: setup ## write docs/benchmarks.md from the last figures
	@! test -f build/bench/judge.json || $(PYTHON) -m tests.bench.judge.page
	@! test -f build/bench/retrain.json || $(PYTHON) -m tests.bench.retrain.page
