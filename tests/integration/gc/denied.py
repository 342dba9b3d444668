"""A role that may not delete entries."""

from __future__ import annotations

from dnatctl_sim.cloud import Fault

DENIED = Fault(
    action="error",
    stage="before",
    apis=["DeleteForwardEntry"],
    status=403,
    code="Forbidden.RAM",
    times=None,
)
