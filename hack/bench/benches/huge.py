"""The largest cluster that is promised: what it takes to hold it, and whether what is done for one
pod costs more where there are many others."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from statistics import median

from dnatctl_sim.cloud.calls import Call
from hack.bench.benches.scale import large
from hack.bench.lab import Lab
from hack.bench.pace import CREATE
from hack.bench.result import Result

GATEWAYS = 50
RESYNC_S = 300.0
"""The default of `resync`."""

CALLS_A_MINUTE = 300
"""What the vendor documents for most APIs of its VPC."""

ROUNDS, EDITS, EDITS_A_SECOND, LAG_S = 6, 500, 100.0, 2.0
"""By `LAG_S` seconds after the last edit all have been looked at."""

IDLE_S = 4.0
"""So long is looked, before each round, what is used anyway: half of the time all pods are being
looked at once more."""


MORE, MORE_A_SECOND = 60, 10.0
"""Pods that come in one round."""

FIRST = 30_000
"""The first of them: its IP is no other pod's."""


def huge(folder: Path, *, quick: bool) -> Result:
    """100,000 pods, 20,000 of them exposed for long; then nothing happens but the loss of a row.

    Then exposed pods are edited so that each is looked at and nothing is to be done, in turns with
    a controller that has 1,000 pods, of which it exposes 200; and more pods are exposed, likewise.
    """
    pods, exposed, rest = (10_000, 2000, 60.0) if quick else (100_000, 20_000, RESYNC_S)
    result = Result("huge", f"{pods} pods, {exposed} of them exposed, {GATEWAYS} gateways")
    with (
        large(folder, pods - exposed, exposed, GATEWAYS) as lab,
        large(folder / "small", 800, 200, GATEWAYS) as small,
    ):
        for each in (lab, small):
            each.start_controller()
        time.sleep(30)  # what is wrong would be put right by now
        result.add("CPU of the start, until all pods have been looked at", lab.usage().cpu, "s")
        _rest(lab, result, rest)
        looks = [(_look(lab), _look(small)) for _ in range(ROUNDS)]
        joins = [
            [_join(each, FIRST + MORE * turn) for each in (lab, small)] for turn in range(ROUNDS)
        ]
        memory = lab.usage()
    ours, few = (median(cost) for cost in zip(*looks, strict=True))
    same = "the same with 1,000 pods"
    result.at_most(
        "CPU for a look at a pod that finds nothing to do", ours, 1.1, "us", bound=few,
        bound_is=same,
    )  # fmt: skip
    ours, few = (median(cost) for cost in zip(*joins, strict=True))
    result.at_most("CPU for one more pod", ours, 1.3, "ms", bound=few, bound_is=same)
    result.at_most("memory, resident", memory.rss, 250, "MB")
    result.add("memory, peak", memory.peak, "MB")
    return result


def _rest(lab: Lab, result: Result, seconds: float) -> None:
    """Take a row away, and wait. What is read to put it right is not at rest."""
    since, table = lab.calls()[-1].seq, lab.scenario.gateways[0].table_id
    lost = lab.admin.rows(table)[0]
    lab.admin.act("delete_entry", entry_id=lost["entry_id"])
    begun, before = time.monotonic(), lab.usage()
    time.sleep(seconds)
    used, calls = (lab.usage().cpu - before.cpu) / seconds, lab.calls(since)
    result.at_most("CPU at rest, a whole resync", 100 * used, 5, "% of one", slowed=True)
    others = [call for call in calls if call.table != table]
    for api, most in sorted(_busiest_minute(others).items()):
        result.at_most(f"{api}: most calls in a minute", most, CALLS_A_MINUTE / 2)
    back = [call.replied - begun for call in calls if call.api == CREATE and call.committed]
    result.at_most(
        "a row that is lost is there again after", min(back, default=float("inf")), RESYNC_S, "s"
    )


def _busiest_minute(calls: list[Call]) -> dict[str, int]:
    """Of each API, the most calls in any sixty seconds."""
    times: dict[str, list[float]] = defaultdict(list)
    for call in calls:
        times[call.api].append(call.received)
    return {
        api: max(sum(at <= one < at + 60 for one in found) for at in found)
        for api, found in times.items()
    }


def _look(lab: Lab) -> float:
    """CPU microseconds for one look, beyond those that are used with nothing to do."""

    def edit() -> None:
        lab.cluster.ask("edit", count=EDITS, rate=EDITS_A_SECOND)
        time.sleep(LAG_S)

    return _beyond_idle(lab, edit) / EDITS * 1e6


def _join(lab: Lab, first: int) -> float:
    """CPU milliseconds for one more pod, from its IP to its address."""

    def join() -> None:
        ready = lab.stand("ready") + MORE
        lab.cluster.ask("join", first=first, count=MORE, rate=MORE_A_SECOND)
        lab.wait_ready(ready, 60)

    return _beyond_idle(lab, join) / MORE * 1e3


def _beyond_idle(lab: Lab, act: Callable[[], None]) -> float:
    """CPU seconds that are used while that is done, beyond those that are used anyway."""
    before = lab.usage().cpu
    time.sleep(IDLE_S)
    idle = (lab.usage().cpu - before) / IDLE_S
    before, begun = lab.usage().cpu, time.monotonic()
    act()
    used, took = lab.usage().cpu - before, time.monotonic() - begun
    return used - idle * took
