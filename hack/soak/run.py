"""One soak: begin, churn under trouble, let all settle, ask whether all is true."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from dnatctl_sim.cloud import Knobs, Scenario
from hack.soak.churn import NAMESPACE, Churn
from hack.soak.fleet import Fleet
from hack.soak.report import Report, judge_growth
from hack.soak.trouble import Trouble
from tests.e2e.arena import POD_NETWORK, Arena
from tests.e2e.control_plane import ControlPlane
from tests.e2e.kubeapi import Unreachable
from tests.e2e.kubelet import Kubelet
from tests.e2e.oracle import is_exposed
from tests.support.link import Link

MANIFESTS = Path(__file__).parents[2] / "manifests" / "overlays" / "older"
GATEWAYS = 8
KNOBS = Knobs(default_limit=0, quota=1000, read_lag=(0.0, 0.2))

PAUSE_S = 0.3
"""Between two acts of churn."""
TROUBLE_S, HURT_S, SAMPLE_S, TIDY_S, TELL_S = 4.0, 20.0, 2.0, 15.0, 30.0
KILLING = 0.6
"""The part of the time in which replicas are hurt; afterwards their memory is watched."""
SETTLE_S = 300.0
REST_S = 12.0
"""Longer than two resyncs."""


@dataclass(frozen=True)
class Plan:
    """What is to be done."""

    seconds: float
    pods: int
    seed: int


def soak(plan: Plan, folder: Path) -> Report:
    """Run it all in `folder`."""
    control_plane = ControlPlane(folder / "state")
    try:
        control_plane.start()
        control_plane.install(MANIFESTS)
        return _soak(plan, control_plane, folder)
    finally:
        control_plane.stop()


def _soak(plan: Plan, control_plane: ControlPlane, folder: Path) -> Report:
    with ExitStack() as stack:
        scenario = Scenario.many(GATEWAYS, knobs=KNOBS)
        arena = stack.enter_context(Arena(control_plane, folder, scenario))
        kubelet = stack.enter_context(
            Kubelet(arena.api, namespace=NAMESPACE, nodes=4, network=POD_NETWORK)
        )
        kubelet.addresses.recycle = True
        links = [
            stack.enter_context(Link(control_plane.url, f"127.0.0.{number}")) for number in (2, 3)
        ]
        replicas = [arena.replica(link=link) for link in links]
        run = _Run(plan, arena, Churn(arena, kubelet, plan.pods, plan.seed),
                   Trouble(arena, links, plan.seed), Fleet(replicas, plan.seed))  # fmt: skip
        return run.go()


class _Run:
    def __init__(
        self, plan: Plan, arena: Arena, churn: Churn, trouble: Trouble, fleet: Fleet
    ) -> None:
        self._plan = plan
        self._arena = arena
        self._churn = churn
        self._trouble = trouble
        self._fleet = fleet
        self._due: dict[str, float] = {}
        self._report = Report(plan.seed, plan.seconds, plan.pods)

    def go(self) -> Report:
        self._fleet.begin()
        self._churn.begin()
        began = time.monotonic()
        while (age := time.monotonic() - began) < self._plan.seconds:
            self._tick(age)
            time.sleep(PAUSE_S)
        self._trouble.end()
        self._fleet.heal()
        self._churn.tidy()
        self._judge()
        return self._report

    def _tick(self, age: float) -> None:
        self._fleet.look_after()
        self._churn.step()
        if self._is_due("trouble", TROUBLE_S):
            self._trouble.step()
        if age < self._plan.seconds * KILLING and self._is_due("hurt", HURT_S):
            self._fleet.hurt()
        if self._is_due("sample", SAMPLE_S):
            self._fleet.sample()
        if self._is_due("tidy", TIDY_S):
            self._churn.tidy()
        if self._is_due("tell", TELL_S):
            self._tell(age)

    def _is_due(self, what: str, every: float) -> bool:
        now = time.monotonic()
        if self._due.setdefault(what, now + every) > now:
            return False
        self._due[what] = now + every
        return True

    def _tell(self, age: float) -> None:
        try:
            pods, records = self._exposed(), len(self._arena.records())
        except Unreachable:
            print(f"  {age:4.0f} s: no API server", flush=True)
            return
        rows = len(self._arena.own_rows())
        print(
            f"  {age:4.0f} s: {pods} pods exposed, {records} PodDNATs, {rows} entries", flush=True
        )

    def _exposed(self) -> int:
        return sum(is_exposed(pod) for pod in self._arena.api.items("/api/v1/pods"))

    # The oracles

    def _judge(self) -> None:
        report = self._report
        report.last_trouble, report.last_trouble_took_s = self._trouble.last
        began = time.monotonic()
        while (left := self._arena.differences()) and time.monotonic() < began + SETTLE_S:
            self._fleet.look_after()
            if self._is_due("tell", TELL_S):
                print(f"settling: {len(left)} differences, such as {left[0]}", flush=True)
            time.sleep(1)
        report.settled_after_s = round(time.monotonic() - began, 1)
        report.wrong += left
        try:
            self._arena.at_rest(seconds=REST_S)
        except AssertionError as error:
            report.wrong.append(f"written to at rest: {error}")
        report.wrong += [f"entry of others touched: {entry}" for entry in self._trouble.touched()]
        if panics := self._fleet.total("controller_runtime_reconcile_panics_total"):
            report.wrong.append(f"{panics:.0f} unknown exceptions")
        judge_growth(report, self._fleet.samples)
        report.churn, report.trouble = dict(self._churn.done), dict(self._trouble.done)
        report.replicas = dict(self._fleet.done)
        report.cloud = self._arena.cloud.counters()
        report.exposed, report.foreign_entries = self._exposed(), self._trouble.foreign
