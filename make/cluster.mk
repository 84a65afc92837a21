CLUSTER ?= default

cluster: setup ## Start a real cluster with gateway, Prometheus, CRDs and operator, to play with
	@$(PYTHON) -m tests.cluster up --name $(CLUSTER)
	@$(PYTHON) -m examples.demo.load --name $(CLUSTER)
	@echo "stop it with: make cluster-down"

cluster-down: ## Stop it and leave nothing behind
	@$(PYTHON) -m tests.cluster down --name $(CLUSTER)

.PHONY: cluster cluster-down
