"""What a table is to be written, and which write is next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from dnatctl.control.wishes import LOWER_CLASS_EVERY, Rank, Wishes
from tests.unit.control.wishing import carry_out, create, delete, modify, order, wanted


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
