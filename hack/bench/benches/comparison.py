"""What one would have otherwise: an operator of an afternoon, a pacer of half an hour, dnatctl."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dnatctl_sim.cloud.calls import Call
from hack.bench.benches.throughput import BOUND, RANDOM_S
from hack.bench.lab import READ, WRITES, Lab, scenario
from hack.bench.pace import CREATE, Pace, judge
from hack.bench.processes import Process
from hack.bench.result import Result
from hack.bench.yardsticks.additive import additive_pace

SETTLE_S = 0.2
CLOUD: dict[str, Any] = {"settle": RANDOM_S, "default_limit": 300}
"""Calls a minute of each API, as most of the vendor's have."""
LONGEST_S = 10.0
"""For one pod, at the slowest of them."""
STUCK_S = 130.0
"""Two windows of calls and more: where no pod more is served for so long, the others never are."""


@dataclass(frozen=True)
class Way:
    """How somebody served so many pods. `made`: seconds from the start until each entry was made;
    `unserved`: pods that never got one they know of."""

    pace: Pace
    made: list[float]
    unserved: int = 0


def comparison(folder: Path, *, quick: bool) -> Result:
    """The same pods on the same cloud; what serves them is killed in the middle."""
    count = 16 if quick else 30
    result = Result(
        "comparison",
        f"{count} pods at once, one gateway, busy {RANDOM_S[0]} to {RANDOM_S[1]} s at random, 300"
        " calls a minute of each API, killed in the middle",
    )
    ways = {
        "naive operator": _killed(folder / "naive", count, _Naive),
        "simple pacer, not killed": _paced(folder / "pacer", count),
        "dnatctl": _killed(folder / "dnatctl", count, _Ours),
    }
    for name, way in ways.items():
        pace = way.pace
        result.add(f"{name}: entries a second", pace.rate, "1/s", bound=pace.bound, bound_is=BOUND)
        result.add(f"{name}: refused writes an entry", pace.refused / pace.entries)
        result.add(f"{name}: reads an entry", pace.reads / pace.entries)
    result.add("naive operator: pods that are never served", ways["naive operator"].unserved)
    result.at_most("dnatctl: pods that are never served", ways["dnatctl"].unserved, 0)
    result.series["made"] = {name: way.made for name, way in ways.items()}
    return result


class _Naive:
    """The naive operator."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    def start(self) -> Process:
        return start_naive(self._lab)

    def served(self) -> int:
        return int(self._lab.cluster.ask("marked"))


class _Ours:
    """dnatctl."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    def start(self) -> Process:
        self._lab.start_controller()
        assert self._lab.controller is not None
        return self._lab.controller

    def served(self) -> int:
        return self._lab.stand("ready")


def _killed(folder: Path, count: int, who: Callable[[Lab], _Naive | _Ours]) -> Way:
    with Lab(folder, scenario(**CLOUD)) as lab:
        server = who(lab)
        running, begun = server.start(), time.monotonic()
        lab.cluster.ask("create", namespace="game", prefix="pod", count=count)
        lab.wait(lambda: lab.created() >= count // 2, "half of them", count * LONGEST_S, 0.1)
        running.signal(signal.SIGKILL)
        running.wait(20)
        server.start()
        return _way(lab.calls(), begun, count - _served_at_last(server, count))


def _served_at_last(server: _Naive | _Ours, count: int) -> int:
    served, since = server.served(), time.monotonic()
    while served < count and time.monotonic() - since < STUCK_S:
        time.sleep(0.5)
        if (now := server.served()) > served:
            served, since = now, time.monotonic()
    return served


def _paced(folder: Path, count: int) -> Way:
    """It knows of no pods: nothing can be killed that would have to be found again."""
    with Lab(folder, scenario(**CLOUD)) as lab:
        begun = time.monotonic()
        additive_pace(lab, count, RANDOM_S[1])
        return _way(lab.calls(), begun)


def _way(calls: list[Call], begun: float, unserved: int = 0) -> Way:
    # Whoever is killed hears no reply; and what never succeeds is tried for ever.
    made = sorted(
        call.replied or call.received for call in calls if call.api == CREATE and call.committed
    )
    until = [call for call in calls if call.received < made[-1]]
    return Way(judge(until), [at - begun for at in made], unserved)


def naive(folder: Path, *, quick: bool) -> Result:
    """The same pods on the same cloud, exposed by a naive operator and by dnatctl."""
    count = 40 if quick else 300
    result = Result("naive", f"{count} pods at once, one gateway, busy {SETTLE_S} s")
    theirs, ours = (_burst(folder / who.__name__, count, who) for who in (_Naive, _Ours))
    for what, unit in (
        ("time", "s"),
        ("calls", "a pod"),
        ("refused", "a pod"),
        ("CPU", "ms a pod"),
    ):
        result.add(
            f"dnatctl: {what}",
            ours[what],
            unit,
            bound=theirs[what],
            bound_is="the naive operator's",
        )
    return result


def _burst(folder: Path, count: int, who: Callable[[Lab], _Naive | _Ours]) -> dict[str, float]:
    with Lab(folder, scenario(settle=SETTLE_S)) as lab:
        server = who(lab)
        running = server.start()
        time.sleep(1)
        before, begun = running.usage().cpu, time.monotonic()
        lab.cluster.ask("create", namespace="game", prefix="pod", count=count)
        lab.wait(lambda: server.served() >= count, "all exposed", count * 5 + 60, 0.1)
        took, cpu = time.monotonic() - begun, running.usage().cpu - before
        return _account(lab, count, took, cpu)


def _account(lab: Lab, count: int, took: float, cpu: float) -> dict[str, float]:
    calls = lab.calls()
    asked = [call for call in calls if call.api in (*WRITES, READ)]
    return {
        "time": took,
        "calls": len(asked) / count,
        "refused": sum(1 for call in asked if call.code) / count,
        "CPU": cpu / count * 1000,
    }


def start_naive(lab: Lab) -> Process:
    """Start it on the first gateway of `lab`, and wait until it watches."""
    gateway, flag = lab.scenario.gateways[0], lab.folder / "naive.ready"
    flag.unlink(missing_ok=True)
    operator = lab.run(
        [
            "-m", "hack.bench.yardsticks.naive", "--kubeconfig", str(lab.kubeconfig),
            "--endpoint", lab.endpoint.removeprefix("http://"), "--table", gateway.table_id,
            "--eip", gateway.eips[0], "--ready", str(flag),
        ],
        "naive",
    )  # fmt: skip
    lab.wait(flag.exists, "the naive operator to start", 180)
    return operator
