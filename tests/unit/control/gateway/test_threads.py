"""Poller and writer of a table, next door to each other."""

from __future__ import annotations

import pytest

from dnatctl.cloud.errors import CloudError, ErrorKind
from dnatctl.cloud.operation import Operation
from dnatctl.control.gateway.poller import LOOK_S
from tests.unit.control.gateway.made import LOBBY, AtWork, create
from tests.unit.table.made import GATEWAY

NO_ANSWER = CloudError(Operation.CREATE, ErrorKind.UNKNOWN)


@pytest.fixture
def it() -> AtWork:
    it = AtWork()
    record = it.stored(it.record())
    it.gateways.want(record.uid, LOBBY, (create(),))
    it.poller._loop._woken.clear()
    it.poller._asked.clear()
    return it


def counted(it: AtWork, outcome: str) -> float:
    labels = {"gateway": GATEWAY, "operation": "CreateForwardEntry", "outcome": outcome}
    name = "dnatctl_table_writes_total"
    return it.metrics.registry.get_sample_value(name, labels) or 0.0


def test_a_write_that_was_accepted_has_the_poller_think_again(it):
    it.writer.step()
    assert it.poller._loop._woken.is_set()
    assert not it.poller._asked.is_set(), "it reads when the row has settled, not before"


def test_when_it_thinks_again_the_row_is_in_the_view(it, monkeypatch):
    it.poller.step()
    seen = []
    monkeypatch.setattr(it.poller._loop, "wake", lambda: seen.append(it.poller.step()))
    it.writer.step()
    (wait,) = seen
    assert wait <= LOOK_S, "else it rests, and who waits for the row waits until it looks again"


def test_one_that_was_not_answered_has_it_read_the_table(it):
    it.cloud.answers = [NO_ANSWER]
    it.writer.step()
    assert it.poller._asked.is_set()


@pytest.mark.parametrize(("answer", "outcome"), [("fwd-1", "ok"), (NO_ANSWER, "unknown")])
def test_each_answer_is_counted(it, answer, outcome):
    it.cloud.answers = [answer]
    it.writer.step()
    assert counted(it, outcome) == 1.0
