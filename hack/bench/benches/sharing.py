"""Many gateways, many namespaces, and an account that allows only so many calls."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from dnatctl_sim.cloud.calls import Call
from hack.bench.lab import WRITES, Lab, scenario
from hack.bench.pace import CREATE, judge
from hack.bench.result import Result

GATEWAYS = 16


def sixteen(folder: Path, *, quick: bool) -> Result:
    """16 gateways at once beside one."""
    each = 15 if quick else 40
    result = Result("sixteen", f"{each} entries a gateway, busy 0.5 s, {GATEWAYS} gateways")
    one = _rate(folder / "one", 1, each)
    all_ = _rate(folder / "all", GATEWAYS, each * GATEWAYS)
    result.add("entries a second, one gateway", one, "1/s")
    result.at_least(
        "entries a second, 16 gateways", all_, 15, "1/s", bound=one, bound_is="one gateway"
    )
    return result


def _rate(folder: Path, gateways: int, count: int) -> float:
    with Lab(folder, scenario(gateways, settle=0.5)) as lab:
        lab.start_controller()
        lab.cluster.ask("create", namespace="game", prefix="pod", count=count)
        lab.wait_ready(count, 180)
        done = [call for call in lab.calls() if call.api == CREATE and not call.code]
    return len(done) / (done[-1].replied - done[0].received)


def fairness(folder: Path, *, quick: bool) -> Result:
    """One namespace asks for a thousand pods, then another for five."""
    many, few, settle = (200 if quick else 1000), 5, 0.1
    result = Result("fairness", f"{many} pods of one namespace, then {few} of another; one gateway")
    with Lab(folder, scenario(settle=settle, write_latency=0.02)) as lab:
        lab.start_controller()
        lab.cluster.ask("create", namespace="game", prefix="pod", count=many)
        lab.cluster.ask("create", namespace="small", prefix="pod", count=few)
        lab.wait_ready(many + few, many * settle * 3 + 30)
        times, calls = lab.cluster.ask("times"), lab.calls()
    begun, asked = (
        min(at for name, at in times["addressed"].items() if name.startswith(f"{namespace}/"))
        for namespace in ("game", "small")
    )
    everything = max(times["ready"].values()) - begun
    small = max(at for name, at in times["ready"].items() if name.startswith("small/")) - asked
    pace = judge(calls)
    result.at_most(
        "the five are done, of the time for all", small, 0.1, "s", bound=everything,
        bound_is="the time until all are ready",
    )  # fmt: skip
    result.add("entries a second", pace.rate, "1/s", bound=pace.bound, bound_is="the table's own")
    return result


def throttling(folder: Path, *, quick: bool) -> Result:
    """The account allows 300 calls a minute of each API, as the vendor's do; nothing else limits.

    Four gateways that are hardly ever busy could take 60 writes a second.
    """
    gateways, limit, window = 4, 300, 60.0
    count = 450 if quick else 900
    result = Result("throttling", f"{count} entries, {gateways} gateways, {limit} calls a minute")
    setting = scenario(gateways, settle=0.05, mode="relaxed", default_limit=limit, window=window)
    with Lab(folder, setting) as lab:
        lab.start_controller()
        lab.cluster.ask("create", namespace="game", prefix="pod", count=count)
        lab.cluster.ask("create", namespace="small", prefix="pod", count=5)
        lab.wait_ready(count + 5, count / limit * window * 2 + 60)
        calls, times = lab.calls(), lab.cluster.ask("times")
    _judge_throttling(result, calls, limit / window)
    begun = min(times["addressed"].values())
    result.add(
        "the five of another namespace are ready after",
        max(at for name, at in times["ready"].items() if name.startswith("small/")) - begun, "s",
    )  # fmt: skip
    return result


def _judge_throttling(result: Result, calls: list[Call], allowed: float) -> None:
    wasted = [call for call in calls if call.code.startswith("Throttling")]
    done = [call for call in calls if call.api == CREATE and not call.code]
    seconds = done[-1].replied - done[0].received
    # The window may change right after the first call and right before the last one.
    most = allowed * (seconds + 2 * 60.0)
    result.at_most("calls refused for their rate, of all", len(wasted) / len(calls), 0.15)
    result.add(
        "entries a second", len(done) / seconds, "1/s", bound=allowed,
        bound_is="calls that the account allows a second",
    )  # fmt: skip
    assert len(done) <= most
    pauses = [b.received - a.received for a, b in pairwise(done)]
    result.at_most("longest time without a create", max(pauses), 60.0, "s")
    tables = {call.table for call in done}
    shares = [sum(call.table == table for call in done) / len(done) for table in tables]
    result.at_least(
        "entries of the gateway that got least", min(shares), 0.8, bound=1 / len(tables),
        bound_is="an even share",
    )  # fmt: skip
    result.add("writes refused for other reasons", sum(
        1 for c in calls if c.api in WRITES and c.code and not c.code.startswith("Throttling")
    ))  # fmt: skip
