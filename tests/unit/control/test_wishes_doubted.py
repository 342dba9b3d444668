"""A write whose answer was lost, when nobody wants it any more: the table is looked at soon."""

from __future__ import annotations

import pytest

from tests.unit.control.wishing import create, delete, lose, modify, wanted


@pytest.mark.parametrize("write", [create(), modify(), delete()])
class TestLost:
    def test_it_is_looked_at_as_soon_as_it_is_no_longer_wanted(self, write):
        """A reading has shown its outcome: nobody is to wait for the pause between tries."""
        wishes = wanted(write)
        wish = lose(wishes)
        wish.not_before = 60.0
        assert wishes.want("a", "games", ()), "there is something to do"
        assert wishes.unanswered("a")
        assert wishes.take(1.0) is wish

    def test_it_then_waits_for_as_long_as_it_is_told(self, write):
        wishes = wanted(write)
        wish = lose(wishes)
        wishes.want("a", "games", ())
        wish.not_before = 30.0
        assert not wishes.want("a", "games", ()), "nothing new"
        assert (wishes.take(29.0), wishes.take(30.0)) == (None, wish)

    def test_what_is_on_its_way_is_left_alone(self, write):
        wishes = wanted(write)
        wish = wishes.take(0.0)
        wish.not_before = 60.0
        assert not wishes.want("a", "games", ())
        assert wish.not_before == 60.0
