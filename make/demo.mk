# KEEP=1 leaves the cluster running afterwards and says how to use it.
.PHONY: demo demo-retrain

demo: setup ## a good model is promoted, a bad one rolled back, on a real cluster, in front of your eyes
	@KEEP=$(KEEP) $(PYTHON) -m examples.demo

demo-retrain: setup ## drift, a better model, one that is unfair, one that is slow: the retraining loop on a real cluster
	@KEEP=$(KEEP) $(PYTHON) -m examples.retrain.demo
