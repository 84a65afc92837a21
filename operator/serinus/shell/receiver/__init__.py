"""Events from outside: CloudEvents and webhooks of MLflow, signed, at /events/NAMESPACE/POLICY. Off by default."""
