"""The contract: what people write, what the operator answers, and the CRDs generated from both.

Must never import anything but pydantic, durationpy, yaml and the standard library, and never look at a clock.
"""
