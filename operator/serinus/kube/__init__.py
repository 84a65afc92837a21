"""The Kubernetes API: the only package that imports `kubernetes`. Raw dicts in, raw dicts out, errors mapped once."""
