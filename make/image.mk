.PHONY: image lock bench-image

image: setup ## build the operator's image of the last commit, with its SBOM, into build/image (no Docker needed)
	@$(PYTHON) -m tests.cluster.operator_image

lock: setup ## lock what the image installs, with hashes, from pyproject.toml
	$(PYTHON) -m tests.cluster.lock

bench-image: setup ## the image's size, its start, and seconds from `helm install` to Ready (ROUNDS=20)
	$(PYTHON) -m tests.bench.image --rounds $(ROUNDS)
