"""Loads a model into a folder and verifies it; one small program for the init container of every pod."""
