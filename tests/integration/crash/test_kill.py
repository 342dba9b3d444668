"""`dnatctl run` killed with SIGKILL: at chosen writes, and at random moments of a busy time."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable

import pytest

from dnatctl_sim.cloud import Scenario
from dnatctl_sim.cloud.spec import EntrySpec
from tests.integration.crash.harness import Mode, Point, Run, needless, play, theatre
from tests.integration.crash.scenarios import SCENARIOS
from tests.support.churn import Churn
from tests.support.gate import Passing
from tests.support.process import Program
from tests.support.stage import Stage, fast, stage

AT_LENGTH = os.environ.get("HYPOTHESIS_PROFILE") == "long"
KILLS = 50 if AT_LENGTH else 8
STILL_S = 2.5
"""Longer than `resync`, so that a whole look at everything lies in it."""


def still(it: Stage) -> bool:
    """Whether all is well and a time goes by in which nothing is written."""
    before = it.writes()
    if it.wrong():
        return False
    time.sleep(STILL_S)  # not a guess: the absence of writes has no event to wait for
    return it.writes() == before and not it.wrong()


class KilledRun(Run):
    """A run whose controller is a process of its own."""

    def __init__(self, it: Stage, point: Point | None) -> None:
        super().__init__(it, point)
        self._program = Program(it)

    def _start(self) -> None:
        self._program.start()

    def _halt(self) -> None:
        self._program.kill()

    def _watch(self, passing: Passing) -> bool:
        dropped = super()._watch(passing)
        if self._down.is_set():
            self._program.kill_at_once()
        return dropped

    def _finish(self) -> None:
        self._wait(still)
        self._conclude()

    def close(self) -> None:
        self._halt()


SAMPLE = {
    ("life", Point("create poddnats.alibabacloud.com web", 1, Mode.AFTER)),
    ("life", Point("CreateForwardEntry default/web:53/udp", 1, Mode.AFTER)),
    ("life", Point("DeleteForwardEntry default/web:80/tcp", 1, Mode.AFTER)),
    ("new ip", Point("ModifyForwardEntry default/web:80/tcp", 1, Mode.BEFORE)),
    ("recreated", Point("patch poddnats.alibabacloud.com/status web", 2, Mode.AFTER)),
    ("adopted", Point("create configmaps dnatctl-adopted-k", 1, Mode.AFTER)),
}


@pytest.mark.parametrize(("name", "point"), sorted(SAMPLE, key=str), ids=str)
def test_a_killed_process_leaves_work_that_the_next_one_finishes(name: str, point: Point) -> None:
    golden, _ = play(SCENARIOS[name])
    with theatre() as it:
        run = KilledRun(it, point)
        try:
            met = run.play(SCENARIOS[name])
        finally:
            run.close()
        assert met or run.has_spared(point), "the crash point was never reached"
        assert run.outcome.end == golden.end
        assert needless(golden, run.outcome) == []


def strangers() -> list[EntrySpec]:
    """Rows of Terraform, and of clusters whose marks look like ours."""
    uid = "11111111-2222-4333-8444-555555555555"
    names = (
        "terraform",
        "dnatctl_c11ba338192xxxxxxx",
        f"dnatctl_c11ba338192xxxxxxx2_{uid}_default-web-1",
        f"dnatctl_c11ba338192xxxxxx_{uid}_default-web-1",
        f"dnatctl_c11ba338192xxxxxxx_{uid[:-1]}_default-web-1",
        f"xdnatctl_c11ba338192xxxxxxx_{uid}",
        f"DNATCTL_c11ba338192xxxxxxx_{uid}",
    )
    return [
        EntrySpec(
            external_ip="203.0.113.1",
            external_port=str(512 + n),
            internal_ip="10.0.99.1",
            internal_port=str(n + 1),
            name=name,
        )
        for n, name in enumerate(names)
    ]


def wait_for_writes(it: Stage, count: int) -> None:
    """Until so many writes have passed: a random moment of a busy time, on any machine."""
    last = sum(it.writes()) + count
    deadline = time.monotonic() + 20.0
    while sum(it.writes()) < last and time.monotonic() < deadline:
        time.sleep(0.005)


@pytest.mark.timeout(1200)
def test_kills_at_random_moments_of_a_churn_lose_double_and_leave_nothing(
    record_property: Callable[[str, object], None],
) -> None:
    seed = random.randrange(1_000_000)
    print(f"seed {seed}")
    scenario = Scenario.many(2, eips=2, knobs=fast(quota=400, seed=seed))
    scenario.gateways[0].entries = strangers()
    with stage(scenario, resync="2s", quarantine="1s") as it:
        foreign = it.rows()
        program, moments = Program(it), random.Random(seed)
        churn = Churn(it, 200, seed, a_second=40)
        churn.start()
        try:
            for _ in range(KILLS):
                program.start()
                if moments.random() < 0.2:  # while it starts
                    time.sleep(moments.uniform(0.0, 2.0))
                else:
                    wait_for_writes(it, moments.randrange(1, 40))
                program.kill()
            program.start()
            churn.stop()
            deadline = time.monotonic() + 300
            while not still(it):
                wrong = "\n".join(it.wrong())
                assert time.monotonic() < deadline, f"{wrong}\n{program.tail()}"
        finally:
            program.kill()
        assert [row for row in it.rows() if row in foreign] == foreign
        assert len(it.calls("CreateForwardEntry", code="")) > 3 * KILLS, "hardly anything happened"
        it.assert_fair()
        record_property("kills", KILLS)
        print(f"{KILLS} kills, {churn.done} changes, {len(it.calls())} cloud calls")
