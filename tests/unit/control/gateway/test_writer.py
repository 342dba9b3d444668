"""The writer's steps: what it sends, when, and that it sends nothing it may not send."""

from __future__ import annotations

import pytest

from dnatctl.cloud.api import Stopped
from dnatctl.cloud.errors import CloudError, ErrorKind
from dnatctl.cloud.operation import Operation
from dnatctl.control.gateway.writer import FENCED_S, IDLE_S
from dnatctl.model import EntryStatus
from dnatctl.objects import PodDNAT
from tests.unit.control.gateway.made import LOBBY, AtWork, create, delete
from tests.unit.table.made import GATEWAY, reading, row, uid

BUSY = CloudError(Operation.CREATE, ErrorKind.BUSY)
NO_ANSWER = CloudError(Operation.CREATE, ErrorKind.UNKNOWN)


@pytest.fixture
def it() -> AtWork:
    return AtWork()


@pytest.fixture
def record(it: AtWork) -> PodDNAT:
    """One that wants a row created."""
    record = it.stored(it.record())
    it.gateways.want(record.uid, LOBBY, (create(),))
    return record


class TestSteps:
    def test_with_nothing_to_write_it_waits(self, it):
        assert it.writer.step() == IDLE_S
        assert it.cloud.tokens == []

    def test_what_is_wanted_is_sent_at_once(self, it, record):
        assert it.writer.step() == 0.0
        (entry,) = (r.entry for r in it.views.table(GATEWAY).owned_by(record.uid))
        assert entry.status is EntryStatus.PENDING
        assert it.writer.backlog() == 0
        assert it.heard.changes == [], "there is nothing to do until the row is seen Available"

    def test_a_busy_table_is_tried_again_with_the_same_intent_and_another_token(self, it, record):
        it.cloud.answers = [BUSY, BUSY]
        waits = []
        while it.writer.backlog():
            wait = it.writer.step()
            waits.append(wait)
            it.clock.advance(wait)
        first, second, third = it.cloud.tokens
        assert len({first, second, third}) == 3, "a refusal is repeated to a repeated token"
        assert sum(waits) > 0

    def test_a_lost_answer_is_asked_for_with_the_same_token(self, it, record):
        it.cloud.answers = [NO_ANSWER]
        it.writer.step()
        assert it.writer.unanswered(record.uid)
        it.clock.advance(60.0)
        it.writer.step()
        first, second = it.cloud.tokens
        assert first == second
        assert not it.writer.unanswered(record.uid)


class TestMayNot:
    def test_who_does_not_lead_sends_nothing_and_asks_again_soon(self, it, record):
        it.writer._fence = lambda: False
        assert it.writer.step() == FENCED_S
        assert it.cloud.tokens == []
        it.writer._fence = lambda: True
        it.writer.step()
        assert len(it.cloud.tokens) == 1

    def test_nothing_is_sent_once_it_was_stopped(self, it, record):
        it.writer.stop()
        it.writer.step()
        assert it.cloud.tokens == []
        assert it.writer.backlog() == 1

    def test_a_write_that_waited_for_its_turn_when_the_process_stopped_is_nothing_lost(
        self, it, record
    ):
        it.cloud.answers = [Stopped()]
        assert it.writer.step() > 0, "it would be taken, and not sent, again and again"
        assert not it.writer.unanswered(record.uid)
        assert it.writer.backlog() == 1

    def test_what_its_poddnat_claims_no_more_is_not_sent(self, it, record):
        it.views.pool.unclaim(record.uid, 0.0)
        it.writer.step()
        assert it.cloud.tokens == []
        assert it.writer.backlog() == 0
        assert it.heard.changes == [LOBBY], "looked at again"

    def test_a_bug_costs_one_try_and_not_the_thread(self, it, record):
        it.cloud.answers = [LookupError("a bug")]
        assert it.writer.step() == 0.0
        assert it.writer.backlog() == 1
        it.clock.advance(60.0)
        it.writer.step()
        assert it.writer.backlog() == 0

    def test_nor_is_what_it_happened_to_taken_for_not_sent(self, it, record):
        """The row may be there: its PodDNAT must not be let go before that is known."""
        it.cloud.answers = [LookupError("a bug")]
        it.writer.step()
        it.gateways.want(record.uid, LOBBY, ())
        assert it.writer.unanswered(record.uid)


class TestLost:
    """A create without an answer whose PodDNAT wants it no more."""

    @pytest.fixture
    def lost(self, it: AtWork, record: PodDNAT) -> PodDNAT:
        it.cloud.answers = [NO_ANSWER]
        it.writer.step()
        it.gateways.want(record.uid, LOBBY, ())
        return record

    def test_it_is_not_asked_for_again(self, it, lost):
        for _ in range(20):
            it.clock.advance(it.writer.step() + 0.1)
        assert len(it.cloud.tokens) == 1, "that could carry it out only now"

    def test_it_is_over_when_the_table_shows_it(self, it, lost):
        now = it.clock.monotonic()
        made = row("fwd-1", owner=lost.uid)
        it.views.table(GATEWAY).merge(reading(now, made), now)
        it.writer.step()
        assert not it.writer.unanswered(lost.uid)

    def test_it_is_over_when_readings_long_after_do_not(self, it, lost):
        for _ in range(20):
            it.clock.advance(it.writer.step() + 0.1)
            it.views.table(GATEWAY).merge(reading(it.clock.monotonic()), it.clock.monotonic())
        assert not it.writer.unanswered(lost.uid)


def test_an_orphan_of_nobody_is_deleted(it):
    it.writer.want(uid(9), "", (delete(),), orphan=True)
    it.writer.step()
    assert len(it.cloud.tokens) == 1
