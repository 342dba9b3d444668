"""A pacer that knows how busy times are drawn, replayed on the very ones that were: what one that
learns can reach at best.

It tries after the gaps that are best for busy times spread evenly between two bounds, at that price
of a refused write (`dnatctl.table.gaps.plan_gaps`), and reads nothing.
"""

from __future__ import annotations

from itertools import pairwise

from dnatctl.table.gaps import Busy, plan_gaps
from dnatctl_sim.cloud.calls import Call
from hack.bench.lab import ROUND_TRIP
from hack.bench.pace import CREATE, Pace


def knowing_pace(calls: list[Call], spread: tuple[float, float], price: float) -> Pace:
    """What it reaches with the creates of that log. `price`: as a share of the mean busy time."""
    gaps = plan_gaps([Busy(*spread)], price)
    done = [call for call in calls if call.api == CREATE and call.replied and not call.code]
    seconds = least = done[0].replied - done[0].received
    refused = 0
    for before, call in pairwise(done):
        busy, trip = before.settles_at - before.replied, call.replied - call.received
        tried, gap = _tries(gaps, busy)
        refused += tried
        seconds, least = seconds + gap + trip, least + busy + trip
    return Pace(len(done), seconds, least, refused, reads=0)


def _tries(gaps: list[float], busy: float) -> tuple[int, float]:
    """How many come too early, and after which gap the next one comes: not before the answer."""
    early = 0
    gap = gaps[0]
    while gap < busy:
        early += 1
        gap = max(gaps[min(early, len(gaps) - 1)], gap + ROUND_TRIP)
    return early, gap
