"""A large cluster that has been running for long: start, memory, and events of others' pods."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from pathlib import Path

import msgspec

from dnatctl_sim.cloud.spec import EntrySpec
from hack.bench.benches.latency import GATEWAYS
from hack.bench.lab import WRITES, Lab, count_calls, scenario
from hack.bench.objects import Exposed
from hack.bench.processes import Process
from hack.bench.result import Result

WRITING = ("create ", "patch ", "update ", "delete ")

ROUNDS = 3
"""Bursts of events; the median one counts."""
LEAST = "a script that reads whose pod it is"
IDLE_S = 10.0
"""For so long it is watched what each costs with nothing to do."""


def restart(folder: Path, *, quick: bool) -> Result:
    """50,000 pods, of which 5,000 are exposed already, when the controller starts."""
    pods, exposed, rest = (5000, 500, 5) if quick else (50_000, 5000, 20)
    result = Result("restart", f"{pods} pods, {exposed} of them exposed, {GATEWAYS} gateways")
    with large(folder, pods - exposed, exposed) as lab:
        lab.start_controller()  # it notes what is noted once of a cluster
        lab.stop_controller()
        lab.controller = None
        least = _read_all(lab)
        lab.cluster.ask("forget")
        since = lab.calls()[-1].seq
        ready = lab.start_controller()
        start = lab.usage()
        time.sleep(rest)  # what is wrong would be put right by now
        calls, asked = count_calls(lab.calls(since)), lab.cluster.ask("requests")
        after, rows = lab.usage(), len(lab.admin.rows())
    result.at_most(
        "start of the process to ready", ready, 0.26, "s", bound=least,
        bound_is="a script that reads the same lists and tables",
    )  # fmt: skip
    result.add("CPU until then", start.cpu, "s")
    result.at_most("writes to the cloud", sum(calls.get(api, 0) for api in WRITES), 0)
    own = {w: n for w, n in asked.items() if w.startswith(WRITING)}
    result.at_most("writes to Kubernetes, the lease apart", sum(own.values()), 0)
    result.add("rows in the tables", rows)
    for api, n in sorted(calls.items()):
        result.add(f"cloud: {api}", n, "calls")
    for what, n in sorted(asked.items()):
        result.add(f"Kubernetes: {what}", n, "requests")
    result.at_most("memory, resident", after.rss, 100, "MB")
    result.add("memory, peak", after.peak, "MB")
    result.add("CPU with nothing to do", 1000 * (after.cpu - start.cpu) / rest, "ms/s")
    return result


def large(folder: Path, others: int, exposed: int, gateway_count: int = GATEWAYS) -> Lab:
    """A laboratory with that many pods, some of which have been exposed for long."""
    setting = scenario(gateway_count)
    gateways = [(gateway.id, gateway.eips[0]) for gateway in setting.gateways]
    uids = [str(uuid.uuid4()) for _ in range(exposed)]
    pods = Exposed(uids, gateways)
    for gateway in setting.gateways:
        gateway.entries = msgspec.convert(list(pods.rows(gateway.id)), list[EntrySpec])

    def fill(lab: Lab) -> None:
        rows = [[r["external_ip"], r["external_port"], r["entry_id"]] for r in lab.admin.rows()]
        lab.cluster.ask("load", uids=uids, rows=rows, gateways=gateways)
        lab.cluster.ask("fill", count=others)

    return Lab(folder, setting, still=True, furnish=fill)


def events(folder: Path, *, quick: bool) -> Result:
    """What an event of a pod that is not ours costs, beside two other ways to watch."""
    pods, count = (300, 2000) if quick else (2000, 10_000)
    result = Result(
        "events", f"{pods} pods that ask for nothing, {count} events, all watch at once"
    )
    with Lab(folder, scenario(), still=True) as lab:
        lab.cluster.ask("fill", count=pods)
        lab.start_controller()
        assert lab.controller is not None
        watchers = {
            "dnatctl": lab.controller,
            LEAST: _start(lab, "lines"),
            "official typed informer": _start(lab, "informer"),
            "idle kopf operator": _start(lab, "kopf_idle"),
        }
        lab.cluster.ask("disturb", count=200)
        _settle(watchers)
        idle, _ = _used(watchers, lambda: time.sleep(IDLE_S))
        bursts = [_event_cost(lab, watchers, idle, count, 0.0) for _ in range(ROUNDS)]
        slow = _event_cost(lab, watchers, idle, count // 4, 200.0)
        memory = {name: process.usage().rss for name, process in watchers.items()}
    # The machine's speed changes within a minute: each round is judged by its own.
    cost = sorted(bursts, key=lambda us: us["dnatctl"] / us["official typed informer"])[ROUNDS // 2]
    result.at_most(
        "CPU for an event of a pod that is not ours", cost["dnatctl"], 0.05, "us",
        bound=cost["official typed informer"], bound_is="the official typed informer's",
    )  # fmt: skip
    result.add(
        f"{LEAST}, and does nothing", cost[LEAST], "us",
        bound=cost["official typed informer"], bound_is="the official typed informer's",
    )  # fmt: skip
    result.add(
        "beside an idle kopf operator", cost["dnatctl"], "us", bound=cost["idle kopf operator"],
        bound_is="an idle kopf operator's",
    )  # fmt: skip
    result.add(
        "the same at 200 events a second", slow["dnatctl"], "us",
        bound=slow["official typed informer"], bound_is="the official typed informer's",
    )  # fmt: skip
    del memory[LEAST]  # what it imports says nothing
    for name, size in memory.items():
        result.add(f"memory: {name}", size, "MB")
    result.series["cost"] = cost
    return result


def _read_all(lab: Lab) -> float:
    """Seconds from the start of a script to when it has read all lists and tables."""
    flag, begun = lab.folder / "lists.ready", time.monotonic()
    tables = [gateway.table_id for gateway in lab.scenario.gateways]
    script = lab.run(
        [
            "-m", "hack.bench.yardsticks.lists", "--kubeconfig", str(lab.kubeconfig),
            "--endpoint", lab.endpoint.removeprefix("http://"), "--ready", str(flag),
            "--tables", *tables,
        ],
        "lists",
    )  # fmt: skip
    lab.wait(lambda: flag.exists() or not script.alive(), "all to be read", 120)
    if not flag.exists():
        raise RuntimeError(f"the script that reads all lists failed; see {script.log}")
    return time.monotonic() - begun


def _start(lab: Lab, name: str) -> Process:
    """A yardstick that watches pods; waits until it has listed them all."""
    flag = lab.folder / f"{name}.ready"
    process = lab.run(
        [
            "-m", f"hack.bench.yardsticks.{name}", "--kubeconfig", str(lab.kubeconfig),
            "--ready", str(flag),
        ],
        name,
    )  # fmt: skip
    lab.wait(flag.exists, f"{name} to have started", 120, 0.2)
    return process


def _event_cost(
    lab: Lab, watchers: dict[str, Process], idle: dict[str, float], count: int, rate: float
) -> dict[str, float]:
    """CPU microseconds that each of so many events costs each of them, its `idle` CPU apart."""
    used, took = _used(watchers, lambda: _disturb(lab, watchers, count, rate))
    return {name: (used[name] - idle[name] / IDLE_S * took) / count * 1e6 for name in watchers}


def _disturb(lab: Lab, watchers: dict[str, Process], count: int, rate: float) -> None:
    lab.cluster.ask("disturb", count=count, rate=rate)
    _settle(watchers)


def _used(
    watchers: dict[str, Process], meanwhile: Callable[[], object]
) -> tuple[dict[str, float], float]:
    """CPU seconds that each used meanwhile, and how long that was."""
    before, begun = (
        {name: process.usage().cpu for name, process in watchers.items()},
        time.monotonic(),
    )
    meanwhile()
    used = {name: process.usage().cpu - before[name] for name, process in watchers.items()}
    return used, time.monotonic() - begun


def _settle(watchers: dict[str, Process]) -> None:
    """Wait until all have taken in what there is: nobody uses CPU any more."""
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        before = [process.usage().cpu for process in watchers.values()]
        time.sleep(2)
        after = [process.usage().cpu for process in watchers.values()]
        if all(b - a < 0.15 for a, b in zip(before, after, strict=True)):
            return
    raise TimeoutError("the watchers do not come to rest")
