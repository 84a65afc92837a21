# What can be said of the supply chain without a network; docs/security.md tells what each tool looks at.
.PHONY: check-supply-chain secrets-baseline

check: check-supply-chain

check-supply-chain: setup ## Code, manifests, images, workflows, secrets, dependencies: scanned
	@$(PYTHON) -m tests.supplychain

secrets-baseline: setup ## Note in .secrets.baseline what looks like a secret and is none
	@$(PYTHON) -m tests.supplychain baseline
