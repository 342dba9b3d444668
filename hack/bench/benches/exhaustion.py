"""Tenants who take all they can, and the cloud at its slowest: what do the others notice?

In one run the same victims three times: with nobody else there; beside a crowd, as many objects as
in the siege that come and change as fast and ask for nothing, which tells what the API server and
the machine make everybody wait for; and beside the siege.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dnatctl_sim.cloud import Fault
from dnatctl_sim.cloud.calls import Call
from dnatctl_sim.cloud.spec import ZONES
from hack.bench.benches.throughput import spread
from hack.bench.lab import Lab, scenario
from hack.bench.result import Result

RATE = 2.0
"""Victims a second: a quarter of what their table could take."""
FLAPS = 100.0
OTHERS = 200.0
"""Events a second of pods that ask for nothing, without end."""
PORTS = 20
"""Of the gateway that the waiting pods ask for."""
COMING = {"nonsense": 150.0, "hoard": 15.0, "waiting": 50.0}
"""How many come a second: of more, the emulated API server, one thread of Python, would have
no time left for anybody."""
WAITS = {"settle": 0.1, "write_latency": 0.02}


@dataclass(frozen=True)
class Siege:
    """How many of each."""

    victims: int
    invalid: int
    waiting: int
    hoards: int
    ports: int


WHOLE = Siege(victims=200, invalid=10_000, waiting=1_500, hoards=1_000, ports=1_000)
QUICK = Siege(victims=50, invalid=2_000, waiting=300, hoards=200, ports=1_000)


def exhaustion(folder: Path, *, quick: bool) -> Result:
    """See above."""
    size = QUICK if quick else WHOLE
    result = Result(
        "exhaustion",
        f"{size.invalid} invalid pods, an annotation that changes {FLAPS:.0f} times a second,"
        f" {size.waiting} waiting pods, {size.hoards} PodDNATs of {size.ports} ports,"
        f" {OTHERS:.0f} events of others a second, a gateway whose answers come at a byte a second;"
        f" {size.victims} victims, {RATE:.0f} a second",
    )
    setting = scenario(3, eips=1, **WAITS)
    ids = [gateway.id for gateway in setting.gateways]
    with Lab(folder, setting, networkController={"natGwPool": _pool(ids)}) as lab:
        lab.cluster.ask("fill", count=500)
        lab.start_controller()
        _victims(lab, "warm", 10)
        quiet = _victims(lab, "quiet", size.victims)
        _crowd(lab, size)
        beside = _victims(lab, "beside", size.victims)
        lab.cluster.ask("calm")
        before, calm = lab.usage(), lab.calls()
        lab.cluster.ask("forget")
        began = time.monotonic()
        _besiege(lab, size, setting.gateways[0].table_id)
        loud = _victims(lab, "loud", size.victims)
        after, took = lab.usage(), time.monotonic() - began
        requests, calls = lab.cluster.ask("requests"), lab.calls()[len(calm) :]
    _judge(result, quiet, beside, loud)
    result.at_most("memory of the controller at most", after.peak, 300, "MB")
    result.add("of it before the siege", before.rss, "MB")
    result.at_most("CPU of the controller", 100 * (after.cpu - before.cpu) / took, 100, "% of one")
    _judge_requests(result, size, requests, calls, setting.gateways[0].table_id, took)
    return result


def _pool(ids: list[str]) -> list[dict[str, Any]]:
    """The gateway that drips, the one that is full, and the one of victims and of who flaps."""
    shared = {"zoneId": ZONES[0], "portRangeStart": 512}
    return [
        {"natgwId": ids[0], **shared, "portRangeEnd": 9999, "namespaces": ["drip"]},
        {"natgwId": ids[1], **shared, "portRangeEnd": 511 + PORTS, "namespaces": ["waiting"]},
        {"natgwId": ids[2], **shared, "portRangeEnd": 9999, "namespaces": ["game", "flap"]},
    ]


def _victims(lab: Lab, prefix: str, count: int) -> list[float]:
    """Seconds from each one's IP to its usable entry."""
    lab.cluster.ask("create", namespace="game", prefix=prefix, count=count, rate=RATE)

    def times() -> list[float]:
        noted = lab.cluster.ask("times")
        mine = [name for name in noted["ready"] if name.startswith(f"game/{prefix}-")]
        return [noted["ready"][name] - noted["addressed"][name] for name in mine]

    lab.wait(lambda: len(times()) >= count, f"{count} victims ready", 120 + count, 0.5)
    return times()


def _crowd(lab: Lab, size: Siege) -> None:
    """As much as the siege for the API server, and nothing for dnatctl."""
    ask, space = lab.cluster.ask, "crowd"
    ask("create", namespace=space, prefix="flap", count=1, asks=False)
    ask("flap", namespace=space, name="flap-0", rate=FLAPS, annotation="example.com/turn")
    ask("disturb_on", rate=OTHERS)
    _come(lab, "heap", "hoard", namespace=space, count=size.hoards, ports=size.ports)
    _come(lab, "nonsense", "nonsense", namespace=space, count=size.invalid, asks=False)
    _come(
        lab, "create", "waiting", namespace=space, prefix="more", count=size.waiting, asks=False
    )  # fmt: skip


def _besiege(lab: Lab, size: Siege, slow_table: str) -> None:
    match, ask = {"ForwardTableId": slow_table}, lab.cluster.ask
    lab.admin.add_fault(Fault(action="drip", stage="before", match=match, times=None))
    ask("create", namespace="drip", prefix="drip", count=20)
    ask("create", namespace="flap", prefix="flap", count=1)
    ask("flap", namespace="flap", name="flap-0", rate=FLAPS)
    ask("disturb_on", rate=OTHERS)
    _come(lab, "hoard", "hoard", namespace="hoard", count=size.hoards, ports=size.ports)
    _come(lab, "nonsense", "nonsense", namespace="invalid", count=size.invalid)
    _come(lab, "create", "waiting", namespace="waiting", prefix="waiting", count=size.waiting)


def _come(lab: Lab, what: str, rate: str, **arguments: Any) -> None:
    lab.cluster.ask("meanwhile", what=what, rate=COMING[rate], **arguments)


def _judge(result: Result, quiet: list[float], crowd: list[float], loud: list[float]) -> None:
    alone, among, beside = spread(quiet), spread(crowd), spread(loud)
    result.add("victims alone, IP to reachable: median", alone["p50"], "s")
    result.add("victims in a crowd that asks for nothing: median", among["p50"], "s")
    result.add("victims in the siege: median", beside["p50"], "s")
    calm, rest = "the same with nobody else there", "that in the crowd"
    result.add("victims in the crowd: p99", among["p99"], "s", bound=alone["p99"], bound_is=calm)
    result.at_most(
        "victims in the siege: p99", beside["p99"], 2.0, "s", bound=alone["p99"], bound_is=calm
    )  # fmt: skip
    result.add("the same p99 once more", beside["p99"], "s", bound=among["p99"], bound_is=rest)
    result.series["quiet"], result.series["loud"] = sorted(quiet), sorted(loud)
    result.series["crowd"] = sorted(crowd)


def _judge_requests(
    result: Result,
    size: Siege,
    requests: dict[str, int],
    calls: list[Call],
    slow_table: str,
    took: float,
) -> None:
    reads = ("get", "list", "watch")
    writes = sum(n for what, n in requests.items() if not what.startswith(reads))
    told = size.invalid + size.waiting + size.hoards + size.victims
    result.at_most("Kubernetes writes, for each that has to be told", writes / told, 5)
    result.add("Kubernetes reads", sum(n for w, n in requests.items() if w.startswith(reads)))
    served = size.victims + PORTS + 1
    others = [call for call in calls if call.table != slow_table]
    result.at_most("calls of the cloud, for each that is served", len(others) / served, 5)
    slow = len(calls) - len(others)
    result.at_most("calls of the gateway that drips, a second", slow / took, 1, "1/s")
    result.add("the siege lasted", took, "s")
