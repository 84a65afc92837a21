"""The shell: how events come in and how the process shows itself. The only package that imports kopf."""
