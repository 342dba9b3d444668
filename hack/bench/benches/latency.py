"""How long things take that nothing but the controller holds up."""

from __future__ import annotations

import time
from pathlib import Path

from dnatctl_sim.cloud.calls import Call
from hack.bench.benches.throughput import spread
from hack.bench.lab import QUICK_CLOUD, Lab, scenario
from hack.bench.pace import CREATE
from hack.bench.result import Result
from hack.bench.yardsticks.bare import BARE_MS, fair, usual_life

GATEWAYS = 16
RATE = 50.0


def latency(folder: Path, *, quick: bool) -> Result:
    """From the pod's IP in the API server to the create at the cloud."""
    bare = usual_life(folder / "floor", quick=quick)
    rate = fair(RATE, bare)
    result = Result("latency", f"{GATEWAYS} idle gateways; one pod at a time, then many")
    result.add("bare script: CPU for a pod's life", bare, "ms")
    result.add(f"pods a second: {RATE:.0f} where that is {BARE_MS:.0f} ms or less", rate, "1/s")
    singles, burst = (20, 250) if quick else (60, 1500)
    with Lab(folder, scenario(GATEWAYS, **QUICK_CLOUD)) as lab:
        lab.start_controller()
        lab.cluster.ask("create", namespace="game", prefix="warm", count=20, rate=20.0)
        lab.wait_ready(20, 30)
        lab.cluster.ask("create", namespace="game", prefix="one", count=singles, rate=5.0)
        lab.wait_ready(20 + singles, 30)
        before, began = lab.usage(), time.monotonic()
        lab.cluster.ask("create", namespace="game", prefix="many", count=burst, rate=rate)
        cpu, took = lab.usage().cpu - before.cpu, time.monotonic() - began
        lab.wait_ready(20 + singles + burst, 60)
        known, calls = lab.cluster.ask("times")["addressed"], lab.calls()
    one, many = (spread([1000 * t for t in _delays(calls, known, p)]) for p in ("one", "many"))
    result.at_most("IP known to create sent, one at a time: median", one["p50"], 10, "ms",
                   slowed=True)  # fmt: skip
    result.add("one at a time: p99", one["p99"], "ms")
    result.add("many a second: median", many["p50"], "ms")
    result.at_most("many a second: p99", many["p99"], 50, "ms", slowed=True)
    result.add("CPU of the controller meanwhile", 100 * cpu / took, "% of one")
    result.series["delays"] = sorted(1000 * t for t in _delays(calls, known, "many"))
    return result


def _delays(calls: list[Call], known: dict[str, float], prefix: str) -> list[float]:
    """Seconds from the IP to the create, by the pod's name in the row's."""
    sent = {call.name.partition("_game_")[2]: call.received for call in calls if call.api == CREATE}
    return [
        sent[pod] - at
        for pod, at in ((name.partition("/")[2], at) for name, at in known.items())
        if pod.startswith(f"{prefix}-") and pod in sent
    ]


def deletes(folder: Path, *, quick: bool) -> Result:
    """Pods end while a burst of others is being exposed on the same gateway."""
    ends, burst, settle = (5, 40, 0.1) if quick else (20, 200, 0.1)
    result = Result(
        "deletes", f"{ends} pods end under a burst of {burst}, one gateway, busy {settle} s"
    )
    with Lab(folder, scenario(settle=settle, write_latency=0.02), quarantine="1s") as lab:
        lab.start_controller()
        lab.cluster.ask("create", namespace="game", prefix="old", count=ends)
        lab.wait_ready(ends, 60)
        lab.cluster.ask("create", namespace="game", prefix="new", count=burst)
        lab.cluster.ask("delete", namespace="game", names=[f"old-{n}" for n in range(ends)])
        lab.wait_ready(ends + burst, burst * settle * 3 + 30)
        lab.wait_gone(ends, 60)
        times, calls = lab.cluster.ask("times"), lab.calls()
    removed = [c.received for c in calls if c.api == "DeleteForwardEntry" and not c.code]
    begun = min(times["deleted"].values())
    all_ready = max(times["ready"].values()) - begun
    last = max(removed) - begun
    result.at_most(
        "until the last row of an ended pod is deleted", last, 1.0, "s", bound=all_ready,
        bound_is="the time until the burst is exposed",
    )  # fmt: skip
    result.add("until the median one is", sorted(removed)[len(removed) // 2] - begun, "s")
    return result


def churn(folder: Path, *, quick: bool) -> Result:
    """50 pods a second come, 50 a second go; on a slow machine fewer."""
    count, life = (250, 100) if quick else (1500, 250)
    rate = fair(RATE, usual_life(folder / "floor", quick=quick))
    result = Result("churn", f"{count} pods, {rate:.0f} a second, each lives {life / rate:.0f} s")
    with Lab(folder, scenario(GATEWAYS, **QUICK_CLOUD), quarantine="5s") as lab:
        lab.start_controller()
        around = {"API server": lab.cluster, "cloud": lab.cloud}
        spent = {name: process.usage().cpu for name, process in around.items()}
        before, began = lab.usage(), time.monotonic()
        lab.cluster.ask("churn", namespace="game", prefix="pod", count=count, rate=rate, life=life)
        lab.wait_gone(count, 300)
        took, cpu = time.monotonic() - began, lab.usage().cpu - before.cpu
        spent = {name: process.usage().cpu - spent[name] for name, process in around.items()}
        times, truth = lab.cluster.ask("times"), lab.admin.rows()
    ready = times["ready"]
    waits = [1000 * (ready[name] - at) for name, at in times["addressed"].items() if name in ready]
    found = spread(waits)
    result.add("pods whose address was published in their life", len(waits) / count)
    result.add("IP known to address published: median", found["p50"], "ms")
    result.add("IP known to address published: p99", found["p99"], "ms")
    result.add("lag behind the last pod's end", took - (count + life) / rate, "s")
    result.at_most("rows left over", len(truth), 0)
    result.add("CPU of the controller", 100 * cpu / took, "% of one")
    for name, seconds in spent.items():
        result.add(f"CPU of the emulated {name}", 100 * seconds / took, "% of one")
    return result
