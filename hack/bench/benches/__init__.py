"""The benchmarks by name."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from hack.bench.benches import (
    commands,
    comparison,
    exhaustion,
    failover,
    growth,
    huge,
    latency,
    life,
    scale,
    sharing,
    throughput,
    waiting,
)
from hack.bench.result import Result


class Bench(Protocol):
    """Runs in a folder of its own, at a reduced size if `quick`."""

    def __call__(self, folder: Path, *, quick: bool) -> Result: ...


PATIENT: dict[str, Bench] = {
    "steady-1s": throughput.steady_long,
    "random": throughput.random_times,
    "fairness": sharing.fairness,
    "throttling": sharing.throttling,
    "publishing": waiting.publishing,
    "start-limited": waiting.start_limited,
    "comparison": comparison.comparison,
}
"""Those that wait for the cloud nearly all the time: they run beside all others."""

BUSY: dict[str, Bench] = {
    "naive": comparison.naive,
    "steady-0.2s": throughput.steady_short,
    "deletes": latency.deletes,
    "churn": latency.churn,
    "failover": failover.failover,
    "packing": growth.packing,
    "relaxed": throughput.relaxed,
    "sixteen": sharing.sixteen,
    "single": waiting.single,
    "by-the-second": waiting.by_the_second,
    "commands": commands.commands,
    "latency": latency.latency,
    "life": life.life,
    "restart": scale.restart,
    "huge": huge.huge,
    "events": scale.events,
    "growth": growth.growth,
    "exhaustion": exhaustion.exhaustion,
}
"""Those that measure the machine: one at a time. Those that others disturb most come when nothing
runs beside them any more."""
