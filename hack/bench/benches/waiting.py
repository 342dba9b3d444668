"""How long a player waits: for the address of a pod that could be reached, and for a start."""

from __future__ import annotations

import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import msgspec

from dnatctl_sim.cloud.calls import Call
from dnatctl_sim.cloud.spec import EntrySpec
from hack.bench.benches.throughput import BOUND
from hack.bench.cluster import CLOCK
from hack.bench.lab import READ, ROUND_TRIP, Lab, scenario
from hack.bench.objects import address
from hack.bench.pace import judge, of_ten_nine, published
from hack.bench.result import Result

RATE = 5
LIMITED: dict[str, Any] = {"default_limit": RATE, "window": 1.0, "sliding": True}
"""So many calls of each API in any second."""

PAGE = 50


def publishing(folder: Path, *, quick: bool) -> Result:
    """A burst on a table that settles in 2 s: from each row's Available to its status."""
    count, settle = (12 if quick else 60), 2.0
    result = Result("publishing", f"{count} pods at once, one gateway, busy {settle:g} s")
    with Lab(folder, scenario(settle=settle)) as lab:
        lab.start_controller()
        since = lab.calls()[-1].seq
        lab.cluster.ask("create", namespace="game", prefix="pod", count=count)
        lab.wait_ready(count, count * settle * 2 + 60)
        calls, times = lab.calls(since), lab.cluster.ask("times")
    waits = published(calls, times["ready"])
    result.at_most("row Available to address in status: 90 of 100", of_ten_nine(waits), settle, "s")
    result.add("the median", waits[len(waits) // 2], "s")
    result.at_most("reads an entry", sum(c.api == READ for c in calls) / count, 1.1)
    return result


def single(folder: Path, *, quick: bool) -> Result:
    """One pod at a time on an idle gateway: from its IP to its address in status."""
    settle, count = 0.5, (8 if quick else 20)
    result = Result("single", f"{count} pods, one after the other, one gateway, busy {settle:g} s")
    with Lab(folder, scenario(settle=settle)) as lab:
        lab.start_controller()
        for n in range(count):
            lab.cluster.ask("create", namespace="game", prefix=f"pod-{n}", count=1)
            lab.wait_ready(n + 1, 30)
            time.sleep(0.5)
        times = lab.cluster.ask("times")
    known = times["addressed"]
    waits = [times["ready"][name] - at for name, at in sorted(known.items(), key=lambda i: i[1])]
    learned = sorted(waits[5:])  # the first ones teach how long rows take to settle
    result.at_most(
        "pod IP to address in status: median", learned[len(learned) // 2],
        settle + 2 * ROUND_TRIP + 0.05, "s",
    )  # fmt: skip
    result.add("the first pod", waits[0], "s")
    return result


def by_the_second(folder: Path, *, quick: bool) -> Result:
    """30 pods where the account allows five calls a second of each API, in any second."""
    count, settle = (15 if quick else 30), 0.3
    result = Result(
        "by-the-second", f"{count} pods, busy {settle:g} s, {RATE} calls a second an API"
    )
    with Lab(folder, scenario(settle=settle, **LIMITED)) as lab:
        lab.start_controller()
        lab.cluster.ask("create", namespace="game", prefix="pod", count=count)
        lab.wait_ready(count, 120)
        calls, times = lab.calls(), lab.cluster.ask("times")
    pace = judge(calls)
    begun, ended = min(times["addressed"].values()), max(times["ready"].values())
    result.at_most(
        "all are reachable after", ended - begun, 1.15, "s", bound=pace.least + settle,
        bound_is=f"the table's own; {BOUND}", slowed=True,
    )  # fmt: skip
    result.add("calls refused for their rate", sum("Throttl" in call.code for call in calls))
    enis = sum(call.api == "DescribeNetworkInterfaces" for call in calls)
    result.add("look-ups of network interfaces a pod", enis / count)
    return result


def start_limited(folder: Path, *, quick: bool) -> Result:
    """A start with many long tables where the account allows five calls a second."""
    gateways, rows, pods = (6, 150, 3) if quick else (20, 500, 5)
    result = Result(
        "start-limited", f"{gateways} gateways of {rows} rows, {RATE} calls a second an API"
    )
    pages, setting = gateways * rows // PAGE, scenario(gateways, settle=0.3)
    for gateway in setting.gateways:
        gateway.entries = msgspec.convert(_foreign(gateway.eips[0], rows), list[EntrySpec])
    with Lab(folder, setting) as lab:
        lab.start_controller()  # a cluster that has worked before
        lab.stop_controller()
        lab.controller = None
        lab.admin.set_knobs(**LIMITED)
        lab.cluster.ask("create", namespace="game", prefix="pod", count=pods)
        since, began = lab.calls()[-1].seq, CLOCK.monotonic()
        lab.start_controller()
        lab.wait_ready(1, 120)
        whole = rows // PAGE + 1  # a full page is followed by another: the total is a hint
        lab.wait(
            lambda: len(_read(lab.calls(since), whole)) == gateways, "all tables read", 600, 0.2
        )
        calls, times = lab.calls(since), lab.cluster.ask("times")
        seconds, at_rest = (20 if quick else 240), lab.calls()[-1].seq
        lab.wait_ready(pods, 120)
        time.sleep(seconds)
        rest = sum(call.api == READ for call in lab.calls(at_rest))
    first, last = min(times["ready"].values()), max(_read(calls, whole).values())
    result.at_most("start of the process to the first pod served", first - began, 10, "s",
                   slowed=True)  # fmt: skip
    result.at_most(
        "to all tables read", last - began, 1.2, "s", bound=pages / RATE,
        bound_is="pages by calls a second", slowed=True,
    )  # fmt: skip
    result.add("reads until then", sum(call.api == READ for call in calls))
    result.at_most("reads a minute at rest", rest * 60 / seconds, 60)
    return result


def _foreign(eip: str, rows: int) -> list[dict[str, str]]:
    return [
        {
            "external_ip": eip,
            "external_port": str(20_000 + n),
            "internal_ip": address(n),
            "internal_port": "80",
            "name": f"by-hand-{n}",
        }
        for n in range(rows)
    ]


def _read(calls: list[Call], pages: int) -> dict[str, float]:
    """When so many pages of a table had been answered, by the table, where they have."""
    answered: dict[str, list[float]] = defaultdict(list)
    for call in calls:
        if call.api == READ and call.replied and not call.code:
            answered[call.table].append(call.replied)
    return {table: times[pages - 1] for table, times in answered.items() if len(times) >= pages}
