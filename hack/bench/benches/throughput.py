"""One gateway: how near its writer comes to what the table allows."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from dnatctl_sim.cloud.calls import Call
from hack.bench.lab import ROUND_TRIP, WRITES, Lab, count_calls, scenario
from hack.bench.pace import CREATE, idle_times, judge, of_ten_nine, published
from hack.bench.result import Result
from hack.bench.yardsticks.additive import additive_pace
from hack.bench.yardsticks.knowing import knowing_pace
from hack.bench.yardsticks.oracle import oracle_rate

BOUND = "1/(round trip + busy), from the cloud's log"
LOOP = "the vendor's SDK, one call after the other, no logic"
RANDOM_S = (0.5, 3.0)
KNOWING = (0.03, 0.02)
"""Prices of a refusal, as a share of the mean busy time, at which a pacer that knows how busy times
are drawn is replayed."""


def steady_short(folder: Path, *, quick: bool) -> Result:
    """300 entries, the table busy for 0.2 s after each write."""
    return _steady(folder, 0.2, 60 if quick else 300)


def steady_long(folder: Path, *, quick: bool) -> Result:
    """300 entries, the table busy for 1 s after each write."""
    return _steady(folder, 1.0, 30 if quick else 300)


def random_times(folder: Path, *, quick: bool) -> Result:
    """200 entries, the table busy for 0.5 to 3 s at random after each write."""
    count, fewer = (40, 20) if quick else (200, 100)
    result = Result("random", f"{count} entries, one gateway, busy {RANDOM_S} s at random")
    with Lab(folder, scenario(settle=RANDOM_S)) as lab:
        calls = _burst(lab, count, seconds=count * 4.0 + 30)
        waits = published(calls, lab.cluster.ask("times")["ready"])
    pace = judge(calls)
    result.at_least("entries a second", pace.rate, 0.86, "1/s", bound=pace.bound, bound_is=BOUND)
    result.at_most("probes (reads and refused writes) an entry", pace.probes, 3.3)
    result.add("refused writes an entry", pace.refused / pace.entries)
    result.add("reads an entry", pace.reads / pace.entries)
    result.add("row Available to address in status: 90 of 100", of_ten_nine(waits), "s")
    with Lab(folder / "additive", scenario(settle=RANDOM_S)) as lab:
        simple = additive_pace(lab, fewer, RANDOM_S[1])
    result.add(
        "an additive pacer of 30 lines", simple.rate, "1/s", bound=simple.bound, bound_is=BOUND
    )
    result.add("its refused writes an entry (it reads nothing)", simple.refused / simple.entries)
    for price in KNOWING:
        best, who = knowing_pace(calls, RANDOM_S, price), f"one that knew it, at {price:.0%}"
        result.add(
            f"{who} a refusal", best.rate, "1/s", bound=best.bound, bound_is="of the same times"
        )
        result.add(f"{who}: refused writes an entry, no reads", best.refused / best.entries)
    result.series["idle"] = idle_times(calls)
    return result


def _steady(folder: Path, settle: float, count: int) -> Result:
    result = Result(f"steady-{settle:g}s", f"{count} entries, one gateway, busy {settle:g} s")
    with Lab(folder, scenario(settle=settle)) as lab:
        calls = _burst(lab, count, seconds=count * settle * 2 + 30)
        waits = published(calls, lab.cluster.ask("times")["ready"])
        everything = lab.calls()
    pace = judge(calls)
    result.at_least("entries a second", pace.rate, 0.95, "1/s", bound=pace.bound, bound_is=BOUND)
    result.at_most("refused, of the writes", pace.refused / (pace.entries + pace.refused), 0.10)
    counts = count_calls(calls)
    writes = sum(counts.get(api, 0) for api in WRITES)
    result.at_most("writes an entry", writes / count, 1.1)
    asked = count_calls(everything).get("DescribeNetworkInterfaces", 0)
    result.at_most(
        "look-ups of network interfaces a pod", asked / count, 0.1 if count < 100 else 0.05
    )
    slow = settle >= 1
    result.at_most("reads of the table an entry", pace.reads / count, 1.1 if slow else 0.25)
    slowest = of_ten_nine(waits)
    if slow:
        result.at_most(
            "row Available to address in status: 90 of 100", slowest, settle, "s", slowed=True
        )
    else:
        result.add("row Available to address in status: 90 of 100", slowest, "s")
    with Lab(folder / "oracle", scenario(settle=settle)) as lab:
        rate = oracle_rate(lab, min(count, 30), settle - ROUND_TRIP / 2)
    result.add(
        "beside a bare loop that knows the busy time", pace.rate, "1/s", bound=rate,
        bound_is=LOOP,
    )  # fmt: skip
    result.series["idle"] = idle_times(calls)
    return result


def relaxed(folder: Path, *, quick: bool) -> Result:
    """A table that takes a write after the other, and in mid-run becomes strict."""
    count, settle = (150 if quick else 300), 0.5
    result = Result("relaxed", f"{count} entries, one gateway that is never busy; then 0.5 s")
    with Lab(folder, scenario(settle=settle, mode="relaxed")) as lab:
        lab.start_controller()
        lab.cluster.ask("create", namespace="game", prefix="a", count=count)
        lab.wait(lambda: lab.created() >= count, "rows", 120, 0.05)
        before = lab.calls()
        lab.wait_ready(count, 60)
        lab.cluster.ask("create", namespace="game", prefix="b", count=count)
        lab.wait(lambda: lab.created() >= count * 3 // 2, "rows", 120, 0.05)
        switched = lab.calls()[-1].seq
        lab.admin.set_knobs(mode="strict")
        lab.wait(lambda: lab.created() >= count * 3 // 2 + 40, "rows", 120, 0.05)
        after = [call for call in lab.calls(switched) if call.replied]
    pace = judge(before, relaxed=True)
    result.at_least(
        "entries a second, relaxed", pace.rate, 0.88, "1/s", bound=pace.bound,
        bound_is="1/round trip, from the cloud's log", slowed=True,
    )  # fmt: skip
    with Lab(folder / "oracle", scenario(mode="relaxed")) as lab:
        rate = oracle_rate(lab, count // 3, 0.0)
    result.add("beside a bare loop", pace.rate, "1/s", bound=rate, bound_is=LOOP)
    result.at_most("writes until it has adapted, made strict in mid-run", adapted(after), 5)
    late = judge(after)
    result.add("entries a second, strict again", late.rate, "1/s", bound=late.bound, bound_is=BOUND)
    result.add("refused then, of all writes", late.refused / (late.entries + late.refused))
    return result


def adapted(calls: list[Call]) -> float:
    """The number of accepted writes after which five in a row waste less than a quarter.

    Wasted is what they took beyond the round trip and the time the table was busy. The first one
    was sent before anybody could know.
    """
    done = [call for call in calls if call.api == CREATE and not call.code]
    spent = [b.replied - a.replied for a, b in pairwise(done)]
    least = [b.replied - b.received + max(a.settles_at - a.replied, 0.0) for a, b in pairwise(done)]
    for n in range(len(spent) - 5):
        if sum(spent[n : n + 5]) <= 1.25 * sum(least[n : n + 5]):
            return float(n)
    return float(len(spent))


def _burst(lab: Lab, count: int, *, seconds: float) -> list[Call]:
    lab.start_controller()
    since = lab.calls()[-1].seq
    lab.cluster.ask("create", namespace="game", prefix="pod", count=count)
    lab.wait_ready(count, seconds)
    return lab.calls(since)


def spread(values: list[float]) -> dict[str, Any]:
    """Median, p99 and largest of some values."""
    ordered = sorted(values)
    return {
        "p50": median(ordered),
        "p99": ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))],
        "max": ordered[-1],
    }
