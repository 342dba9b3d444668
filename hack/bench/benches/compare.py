"""Beside what users would write themselves; what packing gains; what growth costs."""

from __future__ import annotations

import time
from pathlib import Path

from hack.bench.benches.latency import GATEWAYS, QUICK_CLOUD
from hack.bench.lab import READ, WRITES, Lab, count_calls, scenario
from hack.bench.pace import CREATE
from hack.bench.processes import Process
from hack.bench.result import Result

SETTLE_S = 0.2


def naive(folder: Path, *, quick: bool) -> Result:
    """The same pods on the same cloud, exposed by a naive operator and by dnatctl."""
    count = 40 if quick else 300
    result = Result("naive", f"{count} pods at once, one gateway, busy {SETTLE_S} s")
    theirs, ours = _naively(folder / "naive", count), _ours(folder / "dnatctl", count)
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


def _naively(folder: Path, count: int) -> dict[str, float]:
    with Lab(folder, scenario(settle=SETTLE_S)) as lab:
        operator = start_naive(lab)
        time.sleep(1)
        before, begun = operator.usage().cpu, time.monotonic()
        lab.cluster.ask("create", namespace="game", prefix="pod", count=count)
        lab.wait(lambda: lab.cluster.ask("marked") >= count, "all exposed", count * 5 + 60, 0.5)
        took, cpu = time.monotonic() - begun, operator.usage().cpu - before
        return _account(lab, count, took, cpu)


def _ours(folder: Path, count: int) -> dict[str, float]:
    with Lab(folder, scenario(settle=SETTLE_S)) as lab:
        lab.start_controller()
        before, begun = lab.usage().cpu, time.monotonic()
        lab.cluster.ask("create", namespace="game", prefix="pod", count=count)
        lab.wait_ready(count, count + 60)
        took, cpu = time.monotonic() - begun, lab.usage().cpu - before
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
    lab.wait(flag.exists, "the naive operator to start", 60)
    return operator


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
    rate = 80.0
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
