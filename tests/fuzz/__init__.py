"""Inputs that others make, and what must hold of each; at length in `make fuzz`."""

from tests.fuzz import cluster, outside

HARNESSES = (*cluster.HARNESSES, *outside.HARNESSES)
