"""A write whose answer was lost, when nobody wants it any more: the table is looked at soon."""

from __future__ import annotations

import pytest

from tests.unit.table.pending import create, delete, lose, modify, wanted


@pytest.mark.parametrize("write", [create(), modify(), delete()])
class TestLost:
    def test_it_is_looked_at_as_soon_as_it_is_no_longer_wanted(self, write):
        """A reading has shown its outcome: nobody is to wait for the pause between tries."""
        backlog = wanted(write)
        pending = lose(backlog, now=60.0)
        assert backlog.want("a", "games", ()), "there is something to do"
        assert backlog.unanswered("a")
        assert backlog.take(1.0) is pending

    def test_it_then_waits_for_as_long_as_it_is_told(self, write):
        backlog = wanted(write)
        pending = lose(backlog)
        backlog.want("a", "games", ())
        backlog.doubted(backlog.take(1.0), generation=1, now=1.0)
        assert not backlog.want("a", "games", ()), "nothing new"
        assert (backlog.take(29.0), backlog.take(30.0)) == (None, pending)

    def test_what_is_on_its_way_is_left_alone(self, write):
        backlog = wanted(write)
        backlog.take(0.0)
        due = backlog.next_due()
        assert not backlog.want("a", "games", ())
        assert backlog.next_due() == due
