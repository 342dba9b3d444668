"""What one pod's life costs: CPU and requests, beside a script that only makes the calls."""

from __future__ import annotations

import time
from pathlib import Path

from hack.bench.benches.latency import GATEWAYS
from hack.bench.lab import QUICK_CLOUD, Lab, count_calls, scenario
from hack.bench.result import Result
from hack.bench.yardsticks.bare import bare_life

HANDS = 8
"""Threads of the script that hands its requests over: as many connections as the pool has."""


def life(folder: Path, *, quick: bool) -> Result:
    """From exposed to released, so many pods at 25 a second.

    Some have lived before them, so that what is behind their addresses is known already.
    """
    count = 100 if quick else 500
    result = Result(
        "life", f"{count} pods, created and deleted at 25 a second, {GATEWAYS} gateways"
    )
    with Lab(folder, scenario(GATEWAYS, **QUICK_CLOUD), quarantine="1s") as lab:
        lab.start_controller()
        live_through(lab, "warm", 100)
        lab.cluster.ask("forget")
        since, before, begun = lab.calls()[-1].seq, lab.usage(), time.monotonic()
        live_through(lab, "pod", count)
        cpu, took = lab.usage().cpu - before.cpu, time.monotonic() - begun
        idle = _idle_cpu(lab) * took
        asked, calls = lab.cluster.ask("requests"), lab.calls(since)
    often = {what: n / count for what, n in (asked | count_calls(calls)).items()}
    floor = bare_life(folder / "floor", count, often)
    handed = bare_life(folder / "handed", count, often, threads=HANDS)
    ours = (cpu - idle) / count * 1000
    result.at_most(
        "CPU for a pod's life", ours, 2, "ms", bound=floor,
        bound_is="a bare script that makes the same calls with the same libraries",
    )  # fmt: skip
    result.add(
        f"that script, each request handed to another of {HANDS} threads", handed, "ms",
        bound=floor, bound_is="the bare script",
    )  # fmt: skip
    apart = ("get ", "list ", "watch ", "events", "pods/status", "Entr", "Describe")
    own = [n for what, n in often.items() if not any(name in what for name in apart)]
    result.at_most("Kubernetes writes, events and pod condition apart", sum(own), 4)
    for what, n in sorted(often.items()):
        result.add(what, n, "a pod")
    result.add("CPU of the idle controller", 1000 * idle / took, "ms/s")
    return result


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
