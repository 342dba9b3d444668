"""What packing gains; what growth costs."""

from __future__ import annotations

import time
from pathlib import Path

from hack.bench.benches.latency import GATEWAYS
from hack.bench.lab import QUICK_CLOUD, READ, Lab, count_calls, scenario
from hack.bench.pace import CREATE
from hack.bench.result import Result
from hack.bench.yardsticks.bare import fair, usual_life


def packing(folder: Path, *, quick: bool) -> Result:
    """Pods of ten ports each on a table of 100 rows."""
    del quick
    quota, ports = 100, 10
    result = Result("packing", f"pods of {ports} contiguous ports, one gateway of {quota} rows")
    for packed in (False, True):
        setting = scenario(eips=4, mode="relaxed", settle=0.02, write_latency=0.002, quota=quota)
        pool = {"packPortRanges": packed}
        with Lab(folder / str(packed), setting, pool=pool) as lab:
            lab.start_controller()
            most = quota if packed else quota // ports
            lab.cluster.ask(
                "create", namespace="game", prefix="pod", count=quota + 20, ports="7000-7009/udp"
            )
            lab.wait_ready(most, 60)
            time.sleep(2)
            text = "packed into one row each" if packed else "a row a port"
            result.add(f"pods exposed, {text}", lab.stand("ready"))
            result.add(f"rows, {text}", len(lab.admin.rows()))
    pods = [figure for figure in result.figures if figure.what.startswith("pods")]
    result.at_least(
        "pods exposed: gained", pods[1].measured, ports, bound=pods[0].measured,
        bound_is="without packing",
    )  # fmt: skip
    return result


def growth(folder: Path, *, quick: bool) -> Result:
    """What one more pod costs when there are few already, and when there are many."""
    steps = (100, 300, 600) if quick else (100, 500, 1000, 2000, 3000, 4000, 5000)
    rate = fair(80.0, usual_life(folder / "speed", quick=quick))
    result = Result(
        "growth", f"{GATEWAYS} gateways, {rate:.0f} pods a second, up to {steps[-1]} pods"
    )
    costs, reads, memory = [], [], []
    with Lab(folder, scenario(GATEWAYS, **QUICK_CLOUD)) as lab:
        lab.start_controller()
        lab.cluster.ask("create", namespace="game", prefix="warm", count=50, rate=25.0)
        lab.wait_ready(50, 60)
        there = 50
        for step in steps:
            since, before = lab.calls()[-1].seq, lab.usage()
            more = step - there
            lab.cluster.ask("create", namespace="game", prefix=f"s{step}", count=more, rate=rate)
            lab.wait_ready(step, 120)
            after, there = lab.usage(), step
            calls = count_calls(lab.calls(since))
            costs.append((after.cpu - before.cpu) / more * 1000)
            reads.append(calls.get(READ, 0) / more)
            memory.append(after.rss)
            assert calls[CREATE] >= more
    for step, cost, read in zip(steps, costs, reads, strict=True):
        result.add(f"up to {step} pods: CPU a pod", cost, "ms")
        result.add(f"up to {step} pods: reads of tables a pod", read)
    result.at_most(
        "CPU a pod, last step", costs[-1], 1.5, "ms", bound=costs[0], bound_is="the first step's"
    )
    result.add("memory at the end", memory[-1], "MB")
    result.series.update(pods=list(steps), cpu=costs, reads=reads, memory=memory)
    return result
