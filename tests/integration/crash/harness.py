"""Runs a history again and again, and kills the controller at each of its writes.

A run without a crash tells which writes there are. Each of them is then a crash point: the history
is told again, and the controller dies just before that write, just after it, or lives on without
ever hearing the answer. The end must be as without the crash, reached without one needless create,
change or delete.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum

from dnatctl_sim.cloud import Scenario
from dnatctl_sim.kube.core.collection import Change, Version
from tests.integration.crash.scenarios import SETTINGS, Check, Step
from tests.support.gate import Passing
from tests.support.referee import RECORDS
from tests.support.stage import Stage, fast, stage

PATIENCE_S = 240.0
"""For one step, crash, restart and time-outs included."""


class Mode(StrEnum):
    """What befalls the controller at a crash point."""

    BEFORE = "killed before"
    AFTER = "killed after"
    LOST = "reply lost"


@dataclass(frozen=True, slots=True)
class Point:
    """A write of a scenario, by the name it has in every run, and what happens there."""

    what: str
    count: int
    mode: Mode

    def __str__(self) -> str:
        return f"{self.mode} {self.what} #{self.count}"

    def strikes(self, passing: Passing) -> bool:
        """Whether this is the moment."""
        at = (passing.what, passing.count) == (self.what, self.count)
        return at and passing.after is not (self.mode is Mode.BEFORE)


@dataclass(slots=True)
class Outcome:
    """What a run has led to: the end, and how often each kind of thing was done on the way."""

    end: list[str] = field(default_factory=list)
    effects: Counter[str] = field(default_factory=Counter)
    writes: list[Passing] = field(default_factory=list)


class Run:
    """One run of a scenario on a stage of its own."""

    def __init__(self, it: Stage, point: Point | None) -> None:
        self._it = it
        self._point = point
        self._down = threading.Event()
        self._struck = False
        self.outcome = Outcome()
        it.gate.watcher = self._watch
        it.kube.store.raw.subscribe(self._record_changed)

    def play(self, steps: tuple[Step, ...]) -> bool:
        """Tell the whole history; whether the crash point was met."""
        self._start()
        for step in steps:
            if step.offline:
                self._halt()
            step.do(self._it)
            if step.offline:
                self._start()
            self._wait(step.until)
        self._finish()
        return self._struck

    def has_spared(self, point: Point) -> bool:
        """Whether there were such writes, and that one never took effect: two changes of a status
        that come close together are written as one, and one may be refused, and be asked for again.
        """
        counts = {passing.count for passing in self.outcome.writes if passing.what == point.what}
        return bool(counts) and point.count not in counts

    def _start(self) -> None:
        self._it.start_controller(wait=False, **SETTINGS)

    def _halt(self) -> None:
        self._it.stop_controllers()

    def _wait(self, until: Check) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not until(self._it):
            if self._down.is_set():
                self._restart()
            if time.monotonic() > deadline:
                raise AssertionError(f"stuck: {self._it.records()} {self._it.rows()}")
            time.sleep(0.01)

    def _finish(self) -> None:
        """What comes after the last step may be a point to crash at as well: let it come."""
        struck = True
        while struck:
            self._wait(lambda it: works(it) and not it.wrong() and not self._down.is_set())
            self._it.quiet(unless=self._down.is_set)
            struck = self._down.is_set()
        self._it.assert_at_rest()
        self._conclude()

    def _conclude(self) -> None:
        self.outcome.end = ending(self._it)
        calls = self._it.calls("CreateForwardEntry", "ModifyForwardEntry", "DeleteForwardEntry")
        for call in calls:
            self.outcome.effects[call.api] += call.committed

    def _restart(self) -> None:
        """The old one is as good as dead: nothing it sends gets through. Start the next."""
        self._halt()
        self._down.clear()
        self._start()

    def _watch(self, passing: Passing) -> bool:
        if passing.after:
            self.outcome.writes.append(passing)
        if self._down.is_set():
            return True
        if self._point is None or self._struck or not self._point.strikes(passing):
            return False
        self._struck = True
        if self._point.mode is not Mode.LOST:
            self._down.set()
        return True

    def _record_changed(self, collection: str, change: Change) -> None:
        if collection == RECORDS:
            effects = self.outcome.effects
            effects[f"PodDNAT {change.type}"] += change.type != "MODIFIED"
            if change.old and _claim(change.old) != _claim(change.new):
                effects["claim changed"] += 1


def _claim(version: Version) -> list[object]:
    """What counts as a change of a claim; when the interface's name is found out does not."""
    spec = version.load()["spec"]
    return [spec.get(key) for key in ("tableId", "externalIP", "internalIP", "portMapping")]


def works(it: Stage) -> bool:
    """Whether who was started last has begun to work: until then it is at rest in vain."""
    return it.running[-1].controller.parts.standing.working


def ending(it: Stage) -> list[str]:
    """The end of a run, without what may rightly differ: IDs and which ports were free."""
    lines = [
        f"{r['metadata']['name']} {e['internalIP']}:{e['internalPort']}/{e['ipProtocol']}"
        for r in it.records()
        for e in r.get("status", {}).get("entries", [])
    ]
    return sorted([*lines, f"{len(it.own_rows())} rows", f"{len(it.records())} PodDNATs"])


@contextmanager
def theatre() -> Iterator[Stage]:
    """A stage for one run: drift is found within a second, names and IPs are used again at once."""
    with stage(Scenario(knobs=fast()), resync="1s", quarantine="1s") as it:
        yield it


def play(steps: tuple[Step, ...], point: Point | None = None) -> tuple[Outcome, bool]:
    """One run; what it led to, and whether the point was met."""
    with theatre() as it:
        run = Run(it, point)
        met = run.play(steps)
        return run.outcome, met


def points(golden: Outcome) -> list[Point]:
    """Every write of the run without a crash, in every mode. Leases are renewed by the clock: of
    them the first ones stand for all."""
    seen = {(p.what, p.count) for p in golden.writes if "leases" not in p.what or p.count <= 2}
    return [Point(what, count, mode) for what, count in sorted(seen) for mode in Mode]


def needless(golden: Outcome, crashed: Outcome) -> list[str]:
    """What the crashed run did more often than the other."""
    return [
        f"{what}: {count} times, not {golden.effects[what]}"
        for what, count in crashed.effects.items()
        if count > golden.effects[what]
    ]
