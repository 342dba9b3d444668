"""What has to hold right before a write is sent, and its token."""

from __future__ import annotations

import pytest

from dnatctl.control.gateway.sending import begin, token_of
from dnatctl.table.writes import ModifyRow, PendingWrite
from tests.unit.control.gateway.made import LOBBY, AtWork, create, delete, entry
from tests.unit.table.made import EIP, GATEWAY, MARKS, reading, row, uid


def pending(write: object, number: int = 1, **more: object) -> PendingWrite:
    return PendingWrite(uid(number), LOBBY.namespace, write, **more)


class TestBegin:
    @pytest.fixture
    def it(self) -> AtWork:
        it = AtWork()
        it.stored(it.record())
        return it

    def test_the_endpoint_counts_as_used_from_here_on(self, it):
        (endpoint,) = it.record().spec.endpoints()
        assert it.views.pool.is_unused(endpoint)
        assert begin(it.views, pending(create())) == {endpoint}
        assert not it.views.pool.is_unused(endpoint)
        assert begin(it.views, pending(create())) == set(), "it did already"

    def test_what_is_not_claimed_is_not_sent(self, it):
        assert begin(it.views, pending(create(601))) is None
        assert begin(it.views, pending(create(600), 2)) is None

    def test_what_nobody_wants_any_more_is_not_sent_unless_it_may_be_under_way(self, it):
        assert begin(it.views, pending(create(), wanted=False)) is None
        assert begin(it.views, pending(create(), wanted=False, lost_at=1.0)) is not None

    def test_a_delete_needs_no_claim(self, it):
        assert begin(it.views, pending(delete(), 9)) == set()

    @pytest.mark.parametrize(("owner", "sent"), [(uid(9), True), (uid(2), False), ("", False)])
    def test_but_only_the_poddnats_own_row_is_deleted(self, it, owner, sent):
        """It waited for a leave, or for the end of a pause, and was made somebody else's."""
        listed = row("fwd-1", f"{EIP}:600", owner=owner)
        now = it.clock.monotonic()
        it.views.table(GATEWAY).merge(reading(now, listed), now)
        assert (begin(it.views, pending(delete("fwd-1"), 9)) is not None) is sent


class TestToken:
    def test_the_same_try_of_the_same_intent_has_the_same_token(self):
        assert token_of(MARKS, pending(create()), 0) == token_of(MARKS, pending(create()), 0)

    def test_whatever_differs_makes_another(self):
        modify = ModifyRow(GATEWAY, "fwd-1", entry(), "1/")
        tokens = [
            token_of(MARKS, pending(create()), 0),
            token_of(MARKS, pending(create()), 1),
            token_of(MARKS, pending(create(601)), 0),
            token_of(MARKS, pending(create(), 2), 0),
            token_of(MARKS, pending(modify), 0),
            token_of(MARKS, pending(ModifyRow(GATEWAY, "fwd-1", entry(), "2/")), 0),
            token_of(MARKS, pending(ModifyRow(GATEWAY, "fwd-2", entry(), "1/")), 0),
            token_of(MARKS, pending(delete("fwd-1")), 0),
            token_of(MARKS, pending(delete("fwd-2")), 0),
        ]
        assert len(set(tokens)) == len(tokens)
