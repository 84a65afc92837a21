"""What the operator may do, measured: what its roles grant, what it asked for in the tests, and what lies between."""
