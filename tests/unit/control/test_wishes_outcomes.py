"""What becomes of writes: lost answers, refusals, busy tables; and what is remembered of them."""

from __future__ import annotations

import pytest

from dnatctl.control.wishes import PATIENCE, Wish, Wishes
from dnatctl.plan.values import Refusal, Refused, Write
from tests.unit.control.wishing import carry_out, create, delete, entry, lose, order, wanted


class TestUnderWay:
    def test_what_is_being_done_is_not_wanted_again_under_another_intent(self):
        wishes = wanted(create(intent="1/"))
        sending = wishes.take(0.0)
        assert not wishes.want("a", "games", (create(intent="2/"),))
        assert len(wishes) == 1
        assert sending is not None
        wishes.drop(sending)
        wishes.done(sending)
        assert wishes.take(0.0) is None

    def test_another_effect_is_wanted_besides_what_is_being_done(self):
        wishes = wanted(create(600))
        wishes.take(0.0)
        assert wishes.want("a", "games", (create(601),))
        assert len(wishes) == 2

    """What has been sent is not forgotten before it is known what came of it."""

    def test_sending_is_unanswered(self):
        wishes = wanted(create(600))
        assert not wishes.unanswered("a")
        wish = wishes.take(0.0)
        assert wishes.unanswered("a")
        assert not wishes.unanswered("b")
        wishes.drop(wish)
        wishes.done(wish)
        assert not wishes.unanswered("a")

    def test_a_lost_create_is_kept_although_nobody_wants_it_any_more(self):
        wishes = wanted(create(600))
        wish = lose(wishes, now=3.0)
        assert wishes.unanswered("a")
        wishes.want("a", "games", ())
        assert wishes.unanswered("a")
        assert not wish.wanted
        assert wishes.take(4.0) is wish, "its outcome is to be found out"

    def test_a_lost_create_that_is_wanted_again_is_the_same_wish(self):
        wishes = wanted(create(600))
        wish = lose(wishes)
        wishes.want("a", "games", ())
        assert not wishes.want("a", "games", (create(600),)), "nothing new to send"
        assert (wish.wanted, len(wishes)) == (True, 1)

    def test_a_create_lost_while_it_was_no_longer_wanted_is_kept(self):
        """The pod went away while its create was on the wire, and then no answer came."""
        wishes = wanted(create(600))
        wish = wishes.take(0.0)
        wishes.want("a", "games", ())
        wish.lost_at = 1.0
        wishes.done(wish)
        assert wishes.unanswered("a"), "its row may exist: the PodDNAT must not be let go"
        assert len(wishes) == 1

    def test_nor_is_it_when_the_poddnat_is_forgotten_meanwhile(self):
        wishes = wanted(create(600))
        wish = wishes.take(0.0)
        wishes.forget("a")
        wish.lost_at = 1.0
        wishes.done(wish)
        assert wishes.unanswered("a")

    @pytest.mark.parametrize("forgotten", [False, True])
    def test_what_was_refused_while_no_longer_wanted_is_not_tried_again(self, forgotten):
        wishes = wanted(create(600))
        wish = wishes.take(0.0)
        if forgotten:
            wishes.forget("a")
        else:
            wishes.want("a", "games", ())
        wishes.done(wish)
        assert (len(wishes), wishes.take(100.0)) == (0, None)
        assert not wishes.unanswered("a")

    def test_what_is_on_its_way_is_not_sent_twice_when_wanted_again(self):
        wishes = wanted(create(600))
        wish = wishes.take(0.0)
        wishes.want("a", "games", ())
        wishes.want("a", "games", (create(600),))
        wishes.answered(wish)
        wishes.drop(wish)
        wishes.done(wish)
        assert len(wishes) == 0

    def test_what_is_wanted_is_tried_again(self):
        wishes = wanted(create(600))
        wish = wishes.take(0.0)
        wishes.done(wish)
        assert wishes.take(1.0) is wish

    def test_settling_a_lost_create_ends_it(self):
        wishes = wanted(create(600))
        wish = lose(wishes)
        wishes.forget("a")
        wish.lost_at = None
        wishes.drop(wish)
        wishes.done(wish)
        assert (len(wishes), wishes.unanswered("a")) == (0, False)

    def test_dropping_twice_or_what_is_unknown_does_nothing(self):
        wishes = wanted(create(600))
        wish = wishes.take(0.0)
        wishes.drop(wish)
        wishes.drop(wish)
        wishes.drop(Wish("zz", "games", create(601)))
        assert len(wishes) == 0


class TestAttempts:
    def test_each_answered_try_counts(self):
        wishes = wanted(create(600), create(601))
        wish = wishes.take(0.0)
        assert wishes.attempt(wish) == 0
        wishes.answered(wish)
        assert wishes.attempt(wish) == 1
        wishes.done(wish)
        other = Wish("a", "games", create(601))
        assert wishes.attempt(other) == 0, "each row for itself"

    def test_they_outlive_the_wish_so_that_a_token_is_not_used_again(self):
        """The same token would be answered with the ID of a row that is gone meanwhile."""
        wishes = wanted(create(600))
        carry_out(wishes)
        wishes.want("a", "games", (create(600),))
        assert wishes.attempt(wishes.take(0.0)) == 1

    def test_a_lost_try_is_not_an_answer(self):
        wishes = wanted(create(600))
        wish = lose(wishes)
        assert wishes.attempt(wish) == 0, "the same token finds out what came of it"

    def test_those_of_a_delete_count_too(self):
        """A refusal is repeated to a repeated token, that of a delete as well."""
        wishes = wanted(delete())
        wish = wishes.take(0.0)
        wishes.answered(wish)
        assert wishes.attempt(wish) == 1

    def test_nothing_is_kept_of_the_forgotten(self):
        wishes = wanted(create(600))
        carry_out(wishes)
        wishes.forget("a")
        wish = Wish("a", "games", create(600))
        wishes.answered(wish)
        assert wishes.attempt(wish) == 0


class TestPutBack:
    """The table was busy: no fault of the wish, unless it is always told so."""

    def told_busy(self, wishes: Wishes, times: int) -> None:
        for _ in range(times):
            wishes.put_back(wishes.take(0.0))

    def test_its_turn_comes_again_at_once(self):
        wishes = wanted(create(600), create(601))
        self.told_busy(wishes, PATIENCE - 1)
        assert wishes.take(0.0).write == create(600)

    def test_one_that_is_always_told_so_lets_the_others_go_first(self):
        wishes = wanted(create(600), create(601))
        wishes.want("b", "games", (create(602),))
        self.told_busy(wishes, PATIENCE)
        assert order(wishes) == [create(602), create(601), create(600)]

    def test_what_nobody_wants_any_more_is_not_put_back(self):
        wishes = wanted(create(600))
        for _ in range(PATIENCE):
            wish = wishes.take(0.0)
            wishes.want("a", "games", ())
            wishes.put_back(wish)
            assert (len(wishes), wishes.sending) == (0, None)
            wishes.want("a", "games", (create(600),))

    def test_nor_what_was_replaced_on_its_way(self):
        wishes = wanted(create(600))
        wish = wishes.take(0.0)
        wish.turned_away = PATIENCE - 1
        wishes.want("a", "games", (create(601),))
        wishes.put_back(wish)
        assert order(wishes) == [create(601)]


class TestRefusals:
    NO = Refusal(Refused.CONFLICT, 1, 7, "somebody has it")

    def test_they_stand_until_the_row_is_accepted(self):
        wishes = wanted(create(600), create(601))
        wish = wishes.take(0.0)
        wishes.refuse(wish, self.NO)
        assert wishes.refusals("a") == {entry(600): self.NO}
        wishes.refuse(wish, None)
        assert wishes.refusals("a") == {}
        wishes.refuse(wish, None)

    def test_they_outlive_the_wish(self):
        wishes = wanted(create(600))
        wish = wishes.take(0.0)
        wishes.refuse(wish, self.NO)
        wishes.drop(wish)
        wishes.done(wish)
        assert wishes.refusals("a") == {entry(600): self.NO}
        wishes.forget("a")
        assert wishes.refusals("a") == {}

    def test_of_deletes_and_of_the_unknown_there_are_none(self):
        wishes = wanted(delete())
        wishes.refuse(wishes.take(0.0), self.NO)
        wishes.refuse(Wish("b", "games", create(600)), self.NO)
        assert (wishes.refusals("a"), wishes.refusals("b")) == ({}, {})

    def test_what_is_handed_out_is_a_copy(self):
        wishes = wanted(create(600))
        wishes.refuse(wishes.take(0.0), self.NO)
        wishes.refusals("a").clear()
        assert wishes.refusals("a") == {entry(600): self.NO}


class TestRoomMade:
    """Rows are gone: creates that were refused for quota need not wait out their pause."""

    def refused(self, *waits: float, why: Refused = Refused.QUOTA) -> Wishes:
        wishes = wanted(*(create(600 + n) for n in range(len(waits))))
        for wait in waits:
            wish = wishes.take(0.0)
            wishes.refuse(wish, Refusal(why, 1, 1, "no"))
            wish.not_before = wait
            wishes.done(wish)
        return wishes

    def due(self, wishes: Wishes, now: float) -> list[Write]:
        found = []
        while wish := wishes.take(now):
            found.append(wish.write)
            wishes.drop(wish)
            wishes.done(wish)
        return found

    def test_as_many_as_there_are_rows_the_next_ones_first(self):
        wishes = self.refused(90.0, 30.0, 60.0)
        assert wishes.room_made(2, 5.0)
        assert set(self.due(wishes, 5.0)) == {create(601), create(602)}
        assert wishes.next_due() == 90.0

    def test_what_is_due_anyway_is_not_put_off(self):
        wishes = self.refused(1.0)
        assert wishes.room_made(1, 5.0)
        assert wishes.next_due() == 1.0

    def test_other_refusals_and_other_writes_wait_on(self):
        wishes = self.refused(30.0, why=Refused.REJECTED)
        wishes.want("b", "games", (delete(), create(700)))
        assert not wishes.room_made(5, 5.0)
        assert wishes.next_due() == float("-inf")
        self.due(wishes, 5.0)
        assert wishes.next_due() == 30.0

    def test_nobody_waits(self):
        assert not Wishes().room_made(1, 0.0)


def test_memory_does_not_grow_with_poddnats_that_came_and_went():
    wishes = Wishes()
    for number in range(20):
        uid = f"uid-{number}"
        wishes.want(uid, "games", (create(600 + number),))
        if number % 2:
            wish = lose(wishes)
            wishes.forget(uid)
            wish.lost_at = None
            wishes.drop(wish)
            wishes.done(wish)
        else:
            carry_out(wishes)
            wishes.forget(uid)
        wishes.want(f"orphan-{number}", "", (delete(f"fwd-{number}"),), orphan=True)
        carry_out(wishes)
    assert wishes._records == {}
