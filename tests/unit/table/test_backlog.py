"""What a table is to be written, and which write is next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pytest

from dnatctl.table.backlog import PATIENCE, Backlog
from dnatctl.table.turns import LOWER_CLASS_EVERY, Rank
from dnatctl.table.writes import CreateRow, DeleteRow
from tests.unit.table.pending import carry_out, create, delete, modify, order, put_off, wanted


class TestWanting:
    def test_nothing_wanted_nothing_sent(self):
        backlog = Backlog()
        assert (len(backlog), backlog.due(0.0), backlog.next_due()) == (0, False, None)
        assert backlog.take(0.0) is None
        assert not backlog.want("a", "games", ())

    def test_what_is_wanted_is_sent_once(self):
        assert order(wanted(create(600), create(601))) == [create(600), create(601)]

    def test_wanting_anew_replaces(self):
        backlog = wanted(create(600), create(601))
        assert backlog.want("a", "games", (create(601), create(602)))
        assert order(backlog) == [create(601), create(602)]

    def test_wanting_less_is_nothing_new(self):
        backlog = wanted(create(600), create(601))
        assert not backlog.want("a", "games", (create(601),))
        assert not backlog.want("a", "games", (create(601),))
        assert len(backlog) == 1

    def test_each_poddnat_for_itself(self):
        backlog = wanted(create(600))
        backlog.want("b", "games", (create(601),))
        backlog.want("b", "games", ())
        assert order(backlog) == [create(600)]

    def test_the_history_of_a_wish_outlives_being_wanted_again(self):
        backlog = wanted(create(600))
        pending = backlog.take(0.0)
        put_off(backlog, pending, until=9.0)
        backlog.want("a", "games", (create(600),))
        assert (len(backlog), backlog.next_due()) == (1, 9.0)

    def test_another_intent_is_another_wish(self):
        backlog = wanted(create(600, "1/"))
        assert backlog.want("a", "games", (create(600, "2/"),))
        assert order(backlog) == [create(600, "2/")]

    def test_another_intent_waits_as_long_as_the_one_before(self):
        backlog = wanted(create(600, "1/"))
        pending = backlog.take(0.0)
        put_off(backlog, pending, until=9.0)
        backlog.want("a", "games", (create(600, "2/"),))
        assert (len(backlog), backlog.next_due()) == (1, 9.0)


class TestTime:
    def test_a_wish_put_off_is_not_due_before_its_time(self):
        backlog = wanted(create(600), create(601))
        waits = backlog.take(0.0)
        put_off(backlog, waits, until=5.0)
        assert carry_out(backlog).write == create(601)
        assert (backlog.due(4.9), backlog.next_due(), backlog.take(4.9)) == (False, 5.0, None)
        assert backlog.due(5.0)
        assert backlog.take(5.0) is waits

    def test_the_first_to_be_due_is_told(self):
        backlog = wanted(create(600), create(601))
        for when in (9.0, 5.0):
            put_off(backlog, backlog.take(0.0), until=when)
        assert backlog.next_due() == 5.0


class TestOrder:
    def test_what_blocks_others_then_creates_then_deletes_then_orphans(self):
        backlog = Backlog()
        backlog.want("orphan", "", (delete("fwd-9"),), orphan=True)
        backlog.want("leaving", "games", (delete("fwd-1"),))
        backlog.want("coming", "games", (create(600), modify("fwd-5", 601)))
        backlog.want("stale", "games", (delete("fwd-2"), create(602)))
        backlog.expedite("stale")
        assert order(backlog, most=3)[:2] == [delete("fwd-2"), create(600)]

    def test_orphans_come_last_though_they_were_there_first(self):
        backlog = Backlog()
        backlog.want("orphan", "", (delete("fwd-9"),), orphan=True)
        backlog.want("leaving", "games", (delete("fwd-1"),))
        assert order(backlog) == [delete("fwd-1"), delete("fwd-9")]

    def test_only_deletes_are_expedited(self):
        backlog = wanted(create(600))
        backlog.want("stale", "games", (create(601),))
        backlog.expedite("stale")
        assert order(backlog) == [create(600), create(601)]

    def test_an_expedited_orphan_goes_first(self):
        backlog = wanted(create(600))
        backlog.want("orphan", "", (delete("fwd-9"),), orphan=True)
        backlog.expedite("orphan")
        assert order(backlog)[0] == delete("fwd-9")

    def test_expediting_comes_before_or_after_the_wish(self):
        backlog = wanted(create(600))
        backlog.expedite("stale")
        backlog.want("stale", "games", (delete("fwd-2"),))
        assert order(backlog)[0] == delete("fwd-2")

    def test_what_is_forgotten_is_not_expedited_any_more(self):
        backlog = wanted(create(600))
        backlog.expedite("stale")
        backlog.forget("stale")
        backlog.want("stale", "games", (delete("fwd-2"),))
        assert order(backlog)[0] == create(600)

    def test_ranks_are_written_down_in_their_order(self):
        assert sorted(Rank) == [Rank.BLOCKING, Rank.EXPOSE, Rank.RELEASE, Rank.ORPHAN]


def endless(backlog: Backlog, kinds: Iterable[str], rounds: int) -> Counter[str]:
    """Write for so many rounds while every kind of write never runs out."""
    done: Counter[str] = Counter()
    for number in range(rounds):
        if "blocking" in kinds:
            backlog.want("blocking", "ns", (delete(f"b-{number}"),))
            backlog.expedite("blocking")
        if "coming" in kinds:
            backlog.want("coming", "ns", (create(number + 1),))
        if "leaving" in kinds:
            backlog.want("leaving", "ns", (delete(f"l-{number}"),))
        if "orphan" in kinds:
            backlog.want("orphan", "ns", (delete(f"o-{number}"),), orphan=True)
        done[carry_out(backlog).uid] += 1
    return done


class TestStarvation:
    def test_every_fourth_write_goes_to_a_lower_class(self):
        done = endless(Backlog(), {"coming", "leaving"}, 400)
        assert done == {"coming": 300, "leaving": 100}

    def test_no_lower_class_starves_another(self):
        done = endless(Backlog(), {"coming", "leaving", "orphan"}, 400)
        assert done == {"coming": 300, "leaving": 50, "orphan": 50}

    def test_nothing_goes_before_what_blocks_others(self):
        done = endless(Backlog(), {"blocking", "coming", "leaving"}, 40)
        assert done == {"blocking": 40}

    def test_with_one_class_there_is_nobody_to_yield_to(self):
        assert endless(Backlog(), {"leaving"}, 2 * LOWER_CLASS_EVERY) == {"leaving": 8}


class TestNamespaces:
    def test_they_take_turns(self):
        backlog = Backlog()
        for number in range(100):
            backlog.want(f"big-{number}", "big", (create(1000 + number),))
        for number in range(3):
            backlog.want(f"small-{number}", "small", (create(2000 + number),))
        done = [carry_out(backlog).namespace for _ in range(7)]
        assert done.count("small") == 3
        assert done[-1] == "big"

    def test_one_that_was_idle_does_not_save_up_turns(self):
        backlog = Backlog()
        for number in range(50):
            backlog.want(f"big-{number}", "big", (create(1000 + number),))
        for _ in range(20):
            carry_out(backlog)
        for number in range(20):
            backlog.want(f"late-{number}", "late", (create(2000 + number),))
        done = Counter(carry_out(backlog).namespace for _ in range(10))
        assert done == {"big": 5, "late": 5}

    @pytest.mark.parametrize("early", [1, 2, 3])
    def test_a_try_that_comes_too_early_is_no_turn(self, early):
        """So many before each write that the table takes."""
        backlog = Backlog()
        for number in range(50):
            backlog.want(f"a-{number}", "a", (create(1000 + number),))
            backlog.want(f"b-{number}", "b", (create(2000 + number),))
            backlog.want(f"c-{number}", "c", (delete(f"fwd-{number}"),))
        done: Counter[object] = Counter()
        for _ in range(40):
            for _ in range(early):
                backlog.busy(backlog.take(0.0))
            taken = carry_out(backlog)
            done[taken.namespace, type(taken.write)] += 1
        assert done == {("a", CreateRow): 15, ("b", CreateRow): 15, ("c", DeleteRow): 10}

    def test_one_that_the_table_never_takes_does_not_hold_up_other_namespaces(self):
        backlog = wanted(create(600))
        backlog.want("b", "other", (create(700),))
        done = 0
        for _ in range(4 * PATIENCE):
            pending = backlog.take(0.0)
            if pending.write == create(600):
                backlog.busy(pending)
            else:
                done += 1
                backlog.accepted(pending, 0.0)
                backlog.want(f"b-{done}", "other", (create(700 + done),))
        assert done >= 2

    def test_within_one_namespace_first_come_first_served(self):
        backlog = Backlog()
        for name in ("x", "a", "m"):
            backlog.want(name, "games", (create(ord(name)),))
        assert [carry_out(backlog).uid for _ in range(3)] == ["x", "a", "m"]
