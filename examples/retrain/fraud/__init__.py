"""A fraud classifier that serves, is retrained and is watched: everything that runs in the demo's containers."""
