"""The benchmarks by name."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from hack.bench.benches import compare, latency, life, scale, sharing, throughput
from hack.bench.result import Result


class Bench(Protocol):
    """Runs in a folder of its own, at a reduced size if `quick`."""

    def __call__(self, folder: Path, *, quick: bool) -> Result: ...


PATIENT: dict[str, Bench] = {
    "steady-0.2s": throughput.steady_short,
    "steady-1s": throughput.steady_long,
    "random": throughput.random_times,
    "relaxed": throughput.relaxed,
    "fairness": sharing.fairness,
    "throttling": sharing.throttling,
    "naive": compare.naive,
}
"""Those that mostly wait for the cloud: they run side by side."""

BUSY: dict[str, Bench] = {
    "sixteen": sharing.sixteen,
    "latency": latency.latency,
    "deletes": latency.deletes,
    "churn": latency.churn,
    "life": life.life,
    "restart": scale.restart,
    "events": scale.events,
    "packing": compare.packing,
    "growth": compare.growth,
}
"""Those that measure the machine: one at a time."""
