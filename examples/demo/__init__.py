"""The demo: a good model is promoted and a bad one rolled back, on a real cluster, in front of your eyes."""
