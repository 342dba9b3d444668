"""What a table is to be written, and which write is next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pytest

from dnatctl.control.wishes import LOWER_CLASS_EVERY, PATIENCE, Rank, Wish, Wishes
from dnatctl.model import NewEntry, PortRange, Protocol
from dnatctl.plan.values import CreateRow, DeleteRow, ModifyRow, Refusal, Refused, Write

GATEWAY = "ngw-1"


def entry(port: int) -> NewEntry:
    ports = PortRange(port, port)
    return NewEntry("1.1.1.1", ports, "10.0.0.1", PortRange(80, 80), Protocol.TCP, "name")


def create(port: int = 600, intent: str = "1/") -> CreateRow:
    return CreateRow(GATEWAY, entry(port), intent)


def modify(entry_id: str = "fwd-1", port: int = 600) -> ModifyRow:
    return ModifyRow(GATEWAY, entry_id, entry(port), "1/")


def delete(entry_id: str = "fwd-1") -> DeleteRow:
    return DeleteRow(GATEWAY, entry_id)


def wanted(*writes: Write, uid: str = "a", namespace: str = "games") -> Wishes:
    wishes = Wishes()
    wishes.want(uid, namespace, writes)
    return wishes


def carry_out(wishes: Wishes, now: float = 0.0) -> Wish | None:
    """Send the next write and have it accepted."""
    wish = wishes.take(now)
    if wish is not None:
        wishes.answered(wish)
        wishes.drop(wish)
        wishes.done(wish)
    return wish


def order(wishes: Wishes, most: int = 1000) -> list[Write]:
    """Everything there is, in the order in which it is written."""
    done = []
    while (wish := carry_out(wishes)) and len(done) < most:
        done.append(wish.write)
    return done


def lose(wishes: Wishes, now: float = 0.0) -> Wish:
    """Send the next write; no answer comes."""
    wish = wishes.take(now)
    assert wish is not None
    wish.lost_at = now
    wishes.done(wish)
    return wish


class TestWanting:
    def test_nothing_wanted_nothing_sent(self):
        wishes = Wishes()
        assert (len(wishes), wishes.due(0.0), wishes.next_due()) == (0, False, None)
        assert wishes.take(0.0) is None
        assert not wishes.want("a", "games", ())

    def test_what_is_wanted_is_sent_once(self):
        assert order(wanted(create(600), create(601))) == [create(600), create(601)]

    def test_wanting_anew_replaces(self):
        wishes = wanted(create(600), create(601))
        assert wishes.want("a", "games", (create(601), create(602)))
        assert order(wishes) == [create(601), create(602)]

    def test_wanting_less_is_nothing_new(self):
        wishes = wanted(create(600), create(601))
        assert not wishes.want("a", "games", (create(601),))
        assert not wishes.want("a", "games", (create(601),))
        assert len(wishes) == 1

    def test_each_poddnat_for_itself(self):
        wishes = wanted(create(600))
        wishes.want("b", "games", (create(601),))
        wishes.want("b", "games", ())
        assert order(wishes) == [create(600)]

    def test_the_history_of_a_wish_outlives_being_wanted_again(self):
        wishes = wanted(create(600))
        wish = wishes.take(0.0)
        wish.failures, wish.not_before = 3, 9.0
        wishes.done(wish)
        wishes.want("a", "games", (create(600),))
        assert (len(wishes), wishes.next_due()) == (1, 9.0)

    def test_another_intent_is_another_wish(self):
        wishes = wanted(create(600, "1/"))
        assert wishes.want("a", "games", (create(600, "2/"),))
        assert order(wishes) == [create(600, "2/")]

    def test_another_intent_waits_as_long_as_the_one_before(self):
        wishes = wanted(create(600, "1/"))
        wish = wishes.take(0.0)
        wish.failures, wish.not_before = 3, 9.0
        wishes.done(wish)
        wishes.want("a", "games", (create(600, "2/"),))
        assert (len(wishes), wishes.next_due()) == (1, 9.0)


class TestTime:
    def test_a_wish_put_off_is_not_due_before_its_time(self):
        wishes = wanted(create(600), create(601))
        put_off = wishes.take(0.0)
        put_off.not_before = 5.0
        wishes.done(put_off)
        assert carry_out(wishes).write == create(601)
        assert (wishes.due(4.9), wishes.next_due(), wishes.take(4.9)) == (False, 5.0, None)
        assert wishes.due(5.0)
        assert wishes.take(5.0) is put_off

    def test_the_first_to_be_due_is_told(self):
        wishes = wanted(create(600), create(601))
        for when in (9.0, 5.0):
            wish = wishes.take(0.0)
            wish.not_before = when
            wishes.done(wish)
        assert wishes.next_due() == 5.0


class TestOrder:
    def test_what_blocks_others_then_creates_then_deletes_then_orphans(self):
        wishes = Wishes()
        wishes.want("orphan", "", (delete("fwd-9"),), orphan=True)
        wishes.want("leaving", "games", (delete("fwd-1"),))
        wishes.want("coming", "games", (create(600), modify("fwd-5", 601)))
        wishes.want("stale", "games", (delete("fwd-2"), create(602)))
        wishes.expedite("stale")
        assert order(wishes, most=3)[:2] == [delete("fwd-2"), create(600)]

    def test_orphans_come_last_though_they_were_there_first(self):
        wishes = Wishes()
        wishes.want("orphan", "", (delete("fwd-9"),), orphan=True)
        wishes.want("leaving", "games", (delete("fwd-1"),))
        assert order(wishes) == [delete("fwd-1"), delete("fwd-9")]

    def test_only_deletes_are_expedited(self):
        wishes = wanted(create(600))
        wishes.want("stale", "games", (create(601),))
        wishes.expedite("stale")
        assert order(wishes) == [create(600), create(601)]

    def test_an_expedited_orphan_goes_first(self):
        wishes = wanted(create(600))
        wishes.want("orphan", "", (delete("fwd-9"),), orphan=True)
        wishes.expedite("orphan")
        assert order(wishes)[0] == delete("fwd-9")

    def test_expediting_comes_before_or_after_the_wish(self):
        wishes = wanted(create(600))
        wishes.expedite("stale")
        wishes.want("stale", "games", (delete("fwd-2"),))
        assert order(wishes)[0] == delete("fwd-2")

    def test_what_is_forgotten_is_not_expedited_any_more(self):
        wishes = wanted(create(600))
        wishes.expedite("stale")
        wishes.forget("stale")
        wishes.want("stale", "games", (delete("fwd-2"),))
        assert order(wishes)[0] == create(600)

    def test_ranks_are_written_down_in_their_order(self):
        assert sorted(Rank) == [Rank.BLOCKING, Rank.EXPOSE, Rank.RELEASE, Rank.ORPHAN]


def endless(wishes: Wishes, kinds: Iterable[str], rounds: int) -> Counter[str]:
    """Write for so many rounds while every kind of write never runs out."""
    done: Counter[str] = Counter()
    for number in range(rounds):
        if "blocking" in kinds:
            wishes.want("blocking", "ns", (delete(f"b-{number}"),))
            wishes.expedite("blocking")
        if "coming" in kinds:
            wishes.want("coming", "ns", (create(number + 1),))
        if "leaving" in kinds:
            wishes.want("leaving", "ns", (delete(f"l-{number}"),))
        if "orphan" in kinds:
            wishes.want("orphan", "ns", (delete(f"o-{number}"),), orphan=True)
        done[carry_out(wishes).uid] += 1
    return done


class TestStarvation:
    def test_every_fourth_write_goes_to_a_lower_class(self):
        done = endless(Wishes(), {"coming", "leaving"}, 400)
        assert done == {"coming": 300, "leaving": 100}

    def test_no_lower_class_starves_another(self):
        done = endless(Wishes(), {"coming", "leaving", "orphan"}, 400)
        assert done == {"coming": 300, "leaving": 50, "orphan": 50}

    def test_nothing_goes_before_what_blocks_others(self):
        done = endless(Wishes(), {"blocking", "coming", "leaving"}, 40)
        assert done == {"blocking": 40}

    def test_with_one_class_there_is_nobody_to_yield_to(self):
        assert endless(Wishes(), {"leaving"}, 2 * LOWER_CLASS_EVERY) == {"leaving": 8}


class TestNamespaces:
    def test_they_take_turns(self):
        wishes = Wishes()
        for number in range(100):
            wishes.want(f"big-{number}", "big", (create(1000 + number),))
        for number in range(3):
            wishes.want(f"small-{number}", "small", (create(2000 + number),))
        done = [carry_out(wishes).namespace for _ in range(7)]
        assert done.count("small") == 3
        assert done[-1] == "big"

    def test_one_that_was_idle_does_not_save_up_turns(self):
        wishes = Wishes()
        for number in range(50):
            wishes.want(f"big-{number}", "big", (create(1000 + number),))
        for _ in range(20):
            carry_out(wishes)
        for number in range(20):
            wishes.want(f"late-{number}", "late", (create(2000 + number),))
        done = Counter(carry_out(wishes).namespace for _ in range(10))
        assert done == {"big": 5, "late": 5}

    def test_within_one_namespace_first_come_first_served(self):
        wishes = Wishes()
        for name in ("x", "a", "m"):
            wishes.want(name, "games", (create(ord(name)),))
        assert [carry_out(wishes).uid for _ in range(3)] == ["x", "a", "m"]


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
