# Every command of the project. `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
PYTHON := $(VENV)/bin/python

include $(wildcard make/*.mk)

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' Makefile make/*.mk | sort | awk -F':.*## ' '{printf "  %-16s %s\n", $$1, $$2}'

setup: $(VENV)/.complete ## Make the Python environment (.venv)

$(VENV)/.complete: pyproject.toml
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed"; exit 1; }
	@python3 -c 'import ensurepip' 2>/dev/null || [ "$$(id -u)" != 0 ] || { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y python3-venv >/dev/null; } || true
	@python3 -c 'import ensurepip' || { echo "Python's venv is needed: as root, apt-get install python3-venv"; exit 1; }
	python3 -m venv $(VENV)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

test: check ## Run every tier: pure, adapters, API server, cluster; the last one beside the others, since it mostly waits
	@rm -rf build/rights
	@$(MAKE) --no-print-directory -j2 --keep-going test-beside-node test-node
	$(PYTHON) -m tests.rights check build/rights

test-beside-node: setup
	$(PYTHON) -m pytest -m "not cluster"

# In a file until it is done, or the two would speak at once.
test-node: setup ## Run the tier of the real node
	@mkdir -p build/logs
	@$(PYTHON) -m pytest -m cluster >build/logs/test-node.log 2>&1; status=$$?; cat build/logs/test-node.log; exit $$status

test-fast: setup ## Run the tiers that need no cluster
	$(PYTHON) -m pytest -m "not apiserver and not cluster"

check: setup ## Lint, types, import contracts, CRD drift
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(PYTHON) -m serinus.api.crd --check crds/
	$(PYTHON) -m serinus.api.crd --check charts/serinus/files/crds/
	$(PYTHON) -m serinus.api.reference --check docs/conditions.md
	$(PYTHON) -m serinus.metrics.reference --check docs/profiles.md
	$(PYTHON) -m tests.cluster.lock --check
	$(PYTHON) -m tests.argocd.snippet --check charts/serinus/argocd/argocd-cm.yaml
	$(PYTHON) -m tests.rights page --check docs/rights.md
	$(PYTHON) -m charts.generate --check

crds: setup ## Generate the CRDs from the models
	$(PYTHON) -m serinus.api.crd crds/
	$(PYTHON) -m serinus.api.crd charts/serinus/files/crds/

docs: setup ## Write what is made from code and chart: pages, tables of values and rights, plain manifest, snippet for Argo CD
	$(PYTHON) -m serinus.api.reference docs/conditions.md
	$(PYTHON) -m serinus.metrics.reference docs/profiles.md
	$(PYTHON) -m tests.argocd.snippet charts/serinus/argocd/argocd-cm.yaml
	$(PYTHON) -m tests.rights page docs/rights.md
	$(PYTHON) -m charts.generate

.PHONY: docs help setup test test-beside-node test-node test-fast check crds
