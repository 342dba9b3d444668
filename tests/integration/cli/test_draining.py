"""A drain has emptied its target only when nobody can come there any more."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from urllib.request import urlopen

import pytest
from click.testing import CliRunner, Result

from dnatctl.cli.main import cli
from dnatctl.kube.client import KubeClient
from dnatctl.kube.orders import OrdersApi
from dnatctl.orders import READ_EVERY_S, Order, OrderKind
from dnatctl.status.document import decode
from dnatctl_sim.cloud import Scenario
from dnatctl_sim.kube.wire.faults import Fault, Match
from tests.support.stage import NAMESPACE, RECORDS, Stage, eventually, fast, stage

EIP = "203.0.113.1"
NOBODY_ANSWERS = "127.0.0.1:1"


class Pastime:
    """In place of the time between two looks: it passes at once, and `meanwhile` happens."""

    def __init__(self) -> None:
        self.passed = 0.0
        self.meanwhile: Callable[[], None] = lambda: None

    def monotonic(self) -> float:
        return self.passed

    def sleep(self, seconds: float) -> None:
        assert self.passed < 60, "it ends some time"
        self.passed += seconds
        self.meanwhile()


@pytest.fixture
def pastime(monkeypatch: pytest.MonkeyPatch) -> Pastime:
    passes = Pastime()
    monkeypatch.setattr("dnatctl.cli.draining.time", passes)
    return passes


@pytest.fixture
def it() -> Iterator[Stage]:
    """One gateway with one EIP. What people order is read when a test wants it."""
    with stage(Scenario.many(1, eips=1, knobs=fast())) as running:
        running.start_controller()
        running.running[0].controller.parts.orders.stop()
        yield running


def drain(it: Stage, *words: str, server: str = "") -> Result:
    parts = it.running[0].controller.parts
    server = server or f"127.0.0.1:{parts.doors.status_port}"
    config = str(it.folder / "kubeconfig")
    return CliRunner().invoke(
        cli, ["drain", EIP, *words, "--kubeconfig", config, "--server", server]
    )


def leader_reads_orders(it: Stage) -> None:
    """It does, and /status shows it, which is the same for a moment."""
    parts = it.running[0].controller.parts
    parts.orders.look()
    url = f"http://127.0.0.1:{parts.doors.status_port}/status"

    def shown() -> bool:
        with urlopen(url) as answer:
            return decode(answer.read()).orders == parts.views.orders.each

    eventually(shown)


def is_drained(it: Stage) -> bool:
    return it.running[0].controller.parts.views.orders.drained("", EIP) is not None


def said(result: Result) -> list[str]:
    """Who is there. The controller of this process logs to wherever the command's answer goes."""
    return re.findall(r"(?:nobody is there|\d+ still there).*", result.stdout)


def test_nobody_is_there_once_the_leader_knows_of_the_drain(it: Stage, pastime: Pastime) -> None:
    def reads_after_a_while() -> None:
        if pastime.passed > 4 * READ_EVERY_S:
            leader_reads_orders(it)

    pastime.meanwhile = reads_after_a_while
    result = drain(it)

    assert is_drained(it)
    assert said(result) == [
        "nobody is there so far; somebody may come until the leader knows of the order",
        "nobody is there",
    ]


def test_an_earlier_drain_that_the_leader_knows_may_have_been_taken_back(it: Stage) -> None:
    with closing(KubeClient.connect(it.folder / "kubeconfig", 1)) as client:
        earlier = Order(OrderKind.DRAIN, f"eip/{EIP}", since="2026-11-01T12:00:00Z")
        OrdersApi(client, NAMESPACE).give(earlier)
    leader_reads_orders(it)

    assert "somebody may come" in said(drain(it, "--no-wait"))[0]


def test_who_does_not_wait_is_told_that_somebody_may_come(it: Stage) -> None:
    result = drain(it, "--no-wait")

    assert "somebody may come until the leader knows of the order" in said(result)[0]
    assert result.exit_code == 0
    assert not is_drained(it)


def test_where_no_leader_answers_it_has_had_the_time_to_read_it(
    it: Stage, pastime: Pastime
) -> None:
    result = drain(it, server=NOBODY_ANSWERS)

    assert pastime.passed > READ_EVERY_S
    assert "somebody may come until the order is 10 s old" in said(result)[-2]
    assert said(result)[-1] == "nobody is there"


def test_a_claim_that_is_being_stored_is_somebody(it: Stage) -> None:
    lost = it.kube.faults.add(Fault(504), Match(verb="create", resource=RECORDS), None)
    it.pod("web")
    eventually(it.claims)

    result = drain(it, "--no-wait")

    assert said(result) == ["1 still there: creating default/web"]
    lost.cancel()
    it.ready("web")
