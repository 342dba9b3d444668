"""What is told to one for whom there is room, and whom others come before."""

from __future__ import annotations

from dataclasses import replace

from dnatctl.plan.exposure import Problem
from dnatctl.plan.values import Plan
from dnatctl.plan.waits import TOLD_AFTER_S

ITS_TURN = Problem(
    "PoolExhausted",
    "there is room for this pod, but others have waited for an endpoint for longer: they are tried "
    "before it, one after the other",
    passing=True,
)
"""What is wrong where somebody else comes first."""


def after_others(early_s: float) -> Plan:
    """What to do for one that others come before: most have their turn in a moment."""
    left = TOLD_AFTER_S - early_s
    if left > 0:
        return Plan(problem=ITS_TURN, retry_in=left)
    return Plan(problem=replace(ITS_TURN, passing=False))
