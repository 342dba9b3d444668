"""Inputs that others make, in their millions; the harnesses are those of tests/fuzz."""
