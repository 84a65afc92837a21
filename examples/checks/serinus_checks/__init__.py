"""The checks that Serinus runs against a candidate before it gets any traffic: measured here, judged there."""
