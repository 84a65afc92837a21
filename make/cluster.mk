CLUSTER ?= default

cluster: setup ## Start a real cluster with gateway, Prometheus, CRDs and operator, to play with
	@$(PYTHON) -m tests.cluster up --name $(CLUSTER)
	@$(PYTHON) -m examples.demo.load --name $(CLUSTER)
	@echo "stop it with: make cluster-down"

cluster-down: ## Stop it and leave nothing behind
	@$(PYTHON) -m tests.cluster down --name $(CLUSTER)

test-versions: setup ## Admission and attacks of tenants on Kubernetes 1.37 too (built first: about 10 minutes)
	TEST_KUBERNETES=v1.37.2 $(PYTHON) -m pytest tests/apiserver/test_admission*.py tests/apiserver/test_tenant_attacks.py

.PHONY: test-versions cluster cluster-down
