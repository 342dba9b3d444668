"""Who asks the cloud for network interfaces: one question for many that come at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from dnatctl.cloud.eni import EniCache
from dnatctl.cloud.errors import CloudError, ErrorKind
from dnatctl.cloud.operation import Operation
from dnatctl.control.sight import resolver
from dnatctl.control.sight.resolver import EniResolver
from dnatctl.heartbeat import Heartbeats
from dnatctl.model import Eni
from tests.support.clock import FakeClock


class Cloud:
    """Knows every address; `asked`: the questions so far."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.error: CloudError | None = None

    def find_enis(self, ips: Sequence[str]) -> dict[str, Eni]:
        self.asked.append(list(ips))
        if self.error is not None:
            raise self.error
        return {ip: Eni(f"eni-{ip}", "vsw-1", "zone", (ip,)) for ip in ips}


class Asking:
    """A resolver whose thread is not started: each step is taken by hand."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.enis = EniCache(self.clock, lambda _ip: None)
        self.cloud: Any = Cloud()
        self.resolver = EniResolver(self.enis, self.cloud, Heartbeats())


@pytest.fixture
def it(monkeypatch: pytest.MonkeyPatch) -> Asking:
    monkeypatch.setattr(resolver, "PAUSE_S", 0.0)  # nobody else comes while a step waits
    return Asking()


def test_one_that_comes_alone_is_asked_for_at_once(it):
    it.enis.want("10.0.0.1")
    it.resolver.step()
    assert it.enis.want("10.0.0.1") is not None


def test_those_that_come_shortly_after_are_asked_for_together(it):
    it.enis.want("10.0.0.1")
    pause = it.resolver.step()
    assert 0 < pause <= 0.2, "long enough for others to come, and no longer than who waits bears"
    for n in range(2, 12):
        it.enis.want(f"10.0.0.{n}")
    it.resolver.step()
    assert [len(question) for question in it.cloud.asked] == [1, 10]


@pytest.mark.parametrize("a_second", [400, 100, 30])
def test_a_burst_costs_few_questions_however_slowly_it_comes(it, a_second):
    due = it.clock.monotonic()
    for n in range(300):
        it.enis.want(f"10.0.{n // 250}.{n % 250}")
        if it.clock.monotonic() >= due:
            due = it.clock.monotonic() + it.resolver.step()
        it.clock.advance(1 / a_second)
    while it.enis.due_in() <= 0:
        it.clock.advance(max(due - it.clock.monotonic(), 0.0))
        due = it.clock.monotonic() + it.resolver.step()
    assert sum(map(len, it.cloud.asked)) == 300
    assert len(it.cloud.asked) <= 0.05 * 300


def test_a_thousand_at_once_do_not_wait_for_more_to_come(it):
    for n in range(1000):
        it.enis.want(f"10.0.{n // 250}.{n % 250}")
    waited = [it.resolver.step() for _ in range(10)]
    assert it.enis.due_in() > 0, "all were asked for"
    assert sum(waited) <= 2.0


def test_who_comes_after_a_burst_finds_it_forgotten(it):
    pauses = []
    for n in range(5):
        it.enis.want(f"10.0.0.{n}")
        pauses.append(it.resolver.step())
    assert pauses == sorted(pauses)
    assert it.resolver.step() == 0.0, "nobody has come meanwhile"
    it.enis.want("10.0.1.1")
    assert it.resolver.step() == pauses[0]


def test_what_is_forbidden_is_told_with_its_mend_until_it_is_not(it):
    it.cloud.error = CloudError(Operation.READ_ENIS, ErrorKind.DENIED, code="Forbidden.RAM")
    it.enis.want("10.0.0.1")
    it.resolver.step()
    (note,) = it.resolver.notes()
    assert "Forbidden.RAM" in note
    assert "ecs:DescribeNetworkInterfaces" in note
    it.cloud.error = None
    it.enis.want("10.0.0.2")
    it.resolver.step()
    assert it.resolver.notes() == []
