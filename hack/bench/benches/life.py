"""What one pod's life costs: CPU and requests, beside a script that only makes the calls."""

from __future__ import annotations

import time
from pathlib import Path

from hack.bench.benches.latency import GATEWAYS
from hack.bench.lab import QUICK_CLOUD, Lab, count_calls, scenario
from hack.bench.result import Result
from hack.bench.yardsticks.bare import bare_life, bare_script

HANDS = 8
"""Threads of the script that hands its requests over: as many connections as the pool has."""


def life(folder: Path, *, quick: bool) -> Result:
    """From exposed to released, so many pods at 25 a second, in rounds; the median one counts.

    Some have lived before them, so that what is behind their addresses is known already.
    """
    rounds, each = (2, 50) if quick else (5, 100)
    count = rounds * each
    result = Result(
        "life", f"{count} pods, created and deleted at 25 a second, {GATEWAYS} gateways"
    )
    with Lab(folder, scenario(GATEWAYS, **QUICK_CLOUD), quarantine="1s") as lab:
        lab.start_controller()
        live_through(lab, "warm", 100)
        idle = _idle_cpu(lab)
        lab.cluster.ask("forget")
        since = lab.calls()[-1].seq
        spent = [_spent(lab, "first", each, idle)]
        often = _often(lab, since, each)
        with bare_script(folder / "floor", count, often) as script:
            bare = [script.live(each)]
            for turn in range(1, rounds):
                spent.append(_spent(lab, f"pod{turn}", each, idle))
                bare.append(script.live(each))
        often = _often(lab, since, count)
    # The machine's speed changes within a minute: each round is judged by its own.
    ours, floor = sorted(zip(spent, bare, strict=True), key=lambda pair: pair[0] / pair[1])[
        rounds // 2
    ]
    handed = bare_life(folder / "handed", count, often, threads=HANDS)
    result.at_most(
        "CPU for a pod's life", ours, 2.5, "ms", bound=floor,
        bound_is="a bare script that makes the same calls with the same libraries",
    )  # fmt: skip
    result.add(
        f"that script, each request handed to another of {HANDS} threads", handed, "ms",
        bound=floor, bound_is="the bare script",
    )  # fmt: skip
    apart = ("get ", "list ", "watch ", "events", "pods/status", "Entr", "Describe")
    own = [n for what, n in often.items() if not any(name in what for name in apart)]
    # Four, and where a status lost a race it is written again.
    result.at_most("Kubernetes writes, events and pod condition apart", sum(own), 4.1)
    for what, n in sorted(often.items()):
        result.add(what, n, "a pod")
    result.add("CPU of the idle controller", 1000 * idle, "ms/s")
    return result


def _spent(lab: Lab, prefix: str, count: int, idle: float) -> float:
    """CPU milliseconds that each of so many pods costs the controller."""
    before, begun = lab.usage(), time.monotonic()
    live_through(lab, prefix, count)
    took = time.monotonic() - begun
    return (lab.usage().cpu - before.cpu - idle * took) / count * 1000


def _often(lab: Lab, since: int, count: int) -> dict[str, float]:
    """How many requests of each kind a pod there were, of so many pods since a call."""
    asked, calls = lab.cluster.ask("requests"), lab.calls(since)
    return {what: n / count for what, n in (asked | count_calls(calls)).items()}


def live_through(lab: Lab, prefix: str, count: int) -> None:
    """Expose pods one after the other and let each end when 50 later ones have come."""
    gone = lab.stand("gone")
    lab.cluster.ask("churn", namespace="game", prefix=prefix, count=count, rate=25.0, life=50)
    lab.wait(lambda: not lab.stand("records"), "all PodDNATs to be gone", 120, 0.1)
    if (lived := lab.stand("gone") - gone) < count:
        raise RuntimeError(
            f"{count - lived} of {count} pods ended before they had a PodDNAT: dnatctl, or the"
            " machine, is too slow for 25 pods a second"
        )


def _idle_cpu(lab: Lab) -> float:
    """CPU seconds a second that the controller uses with nothing to do."""
    time.sleep(1)
    before = lab.usage().cpu
    time.sleep(4)
    return (lab.usage().cpu - before) / 4
