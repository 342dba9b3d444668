"""What becomes of writes: lost answers, refusals, busy tables; and what is remembered of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dnatctl.table.backlog import (
    DELETES_REMEMBERED,
    LOST_S,
    REFUSED_RETRY_S,
    Backlog,
)
from dnatctl.table.unready import IMPATIENT_S, PATIENCE
from dnatctl.table.writes import ModifyRow, PendingWrite, Recourse, Refusal, Refused, Write
from tests.unit.table.made import GATEWAY
from tests.unit.table.pending import carry_out, create, delete, entry, lose, order, wanted

NO = Refusal(Refused.CONFLICT, 1, 7, "somebody has it")


class TestUnderWay:
    def test_what_is_being_done_is_not_wanted_again_under_another_intent(self):
        backlog = wanted(create(intent="1/"))
        sending = backlog.take(0.0)
        assert not backlog.want("a", "games", (create(intent="2/"),))
        assert len(backlog) == 1
        assert sending is not None
        backlog.settled(sending)
        assert backlog.take(0.0) is None

    def test_another_effect_is_wanted_besides_what_is_being_done(self):
        backlog = wanted(create(600))
        backlog.take(0.0)
        assert backlog.want("a", "games", (create(601),))
        assert len(backlog) == 2

    """What has been sent is not forgotten before it is known what came of it."""

    def test_sending_is_unanswered(self):
        backlog = wanted(create(600))
        assert not backlog.unanswered("a")
        pending = backlog.take(0.0)
        assert backlog.unanswered("a")
        assert not backlog.unanswered("b")
        backlog.settled(pending)
        assert not backlog.unanswered("a")

    def test_a_lost_create_is_kept_although_nobody_wants_it_any_more(self):
        backlog = wanted(create(600))
        pending = lose(backlog, now=3.0)
        assert backlog.unanswered("a")
        backlog.want("a", "games", ())
        assert backlog.unanswered("a")
        assert not pending.wanted
        assert backlog.take(4.0) is pending, "its outcome is to be found out"

    def test_a_lost_create_that_is_wanted_again_is_the_same_wish(self):
        backlog = wanted(create(600))
        pending = lose(backlog)
        backlog.want("a", "games", ())
        assert not backlog.want("a", "games", (create(600),)), "nothing new to send"
        assert (pending.wanted, len(backlog)) == (True, 1)

    def test_after_one_that_gets_no_answer_comes_one_for_another_ip(self):
        """One EIP may be broken in the cloud: whoever has another is not to wait for it."""
        broken = [create(port) for port in range(600, 604)]
        backlog = wanted(*broken, create(700, ip="2.2.2.2"), create(701, ip="2.2.2.2"))
        lose(backlog)
        assert carry_out(backlog).write.entry.external_ip == "2.2.2.2"
        backlog.spared(backlog.take(0.0))
        assert carry_out(backlog).write.entry.external_ip == "2.2.2.2"
        assert lose(backlog).write in broken
        assert carry_out(backlog).write in broken, "nothing else is due"

    def test_a_create_lost_while_it_was_no_longer_wanted_is_kept(self):
        """The pod went away while its create was on the wire, and then no answer came."""
        backlog = wanted(create(600))
        pending = backlog.take(0.0)
        backlog.want("a", "games", ())
        backlog.lost(pending, 1.0)
        assert backlog.unanswered("a"), "its row may exist: the PodDNAT must not be let go"
        assert len(backlog) == 1

    def test_nor_is_it_when_the_poddnat_is_forgotten_meanwhile(self):
        backlog = wanted(create(600))
        pending = backlog.take(0.0)
        backlog.forget("a")
        backlog.lost(pending, 1.0)
        assert backlog.unanswered("a")

    @pytest.mark.parametrize("forgotten", [False, True])
    def test_what_was_refused_while_no_longer_wanted_is_not_tried_again(self, forgotten):
        backlog = wanted(create(600))
        pending = backlog.take(0.0)
        if forgotten:
            backlog.forget("a")
        else:
            backlog.want("a", "games", ())
        backlog.refused(pending, NO, 0.0)
        assert (len(backlog), backlog.take(100.0)) == (0, None)
        assert not backlog.unanswered("a")

    def test_what_is_on_its_way_is_not_sent_twice_when_wanted_again(self):
        backlog = wanted(create(600))
        pending = backlog.take(0.0)
        backlog.want("a", "games", ())
        backlog.want("a", "games", (create(600),))
        backlog.accepted(pending, 0.0)
        assert len(backlog) == 0

    def test_what_is_wanted_is_tried_again(self):
        backlog = wanted(create(600))
        pending = backlog.take(0.0)
        backlog.failed(pending, 0.0)
        assert backlog.take(1.0) is pending

    def test_settling_a_lost_create_ends_it(self):
        backlog = wanted(create(600))
        pending = lose(backlog)
        backlog.forget("a")
        backlog.settled(pending)
        assert (len(backlog), backlog.unanswered("a")) == (0, False)

    def test_dropping_twice_or_what_is_unknown_does_nothing(self):
        backlog = wanted(create(600))
        pending = backlog.take(0.0)
        backlog.settled(pending)
        backlog.settled(pending)
        backlog.settled(PendingWrite("zz", "games", create(601)))
        assert len(backlog) == 0


class TestAttempts:
    def test_each_answered_try_counts(self):
        backlog = wanted(create(600), create(601))
        pending = backlog.take(0.0)
        assert backlog.attempt(pending) == 0
        backlog.answered(pending)
        assert backlog.attempt(pending) == 1
        other = PendingWrite("a", "games", create(601))
        assert backlog.attempt(other) == 0, "each row for itself"

    def test_they_outlive_the_wish_so_that_a_token_is_not_used_again(self):
        """The same token would be answered with the ID of a row that is gone meanwhile."""
        backlog = wanted(create(600))
        carry_out(backlog)
        backlog.want("a", "games", (create(600),))
        assert backlog.attempt(backlog.take(0.0)) == 1

    def test_a_lost_try_is_not_an_answer(self):
        backlog = wanted(create(600))
        pending = lose(backlog)
        assert backlog.attempt(pending) == 0, "the same token finds out what came of it"

    def test_those_of_a_delete_count_too(self):
        """A refusal is repeated to a repeated token, that of a delete as well."""
        backlog = wanted(delete())
        pending = backlog.take(0.0)
        backlog.answered(pending)
        assert backlog.attempt(pending) == 1

    @pytest.mark.parametrize("forgotten", [False, True])
    def test_those_of_an_accepted_delete_outlive_it(self, forgotten):
        """It may come to nothing in the cloud, and the same token do nothing any more."""
        backlog = wanted(delete())
        carry_out(backlog)
        if forgotten:
            backlog.forget("a")
        backlog.want("a", "", (delete(),), orphan=forgotten)
        assert backlog.attempt(backlog.take(0.0)) == 1

    def test_of_the_rows_that_were_deleted_last(self):
        backlog = Backlog()
        for number in range(DELETES_REMEMBERED + 1):
            backlog.answered(PendingWrite("a", "games", delete(f"fwd-{number}")))
        tries = [
            backlog.attempt(PendingWrite("a", "games", delete(f"fwd-{number}")))
            for number in (0, 1, DELETES_REMEMBERED)
        ]
        assert tries == [0, 1, 1]

    def test_nothing_is_kept_of_the_forgotten(self):
        backlog = wanted(create(600))
        carry_out(backlog)
        backlog.forget("a")
        pending = PendingWrite("a", "games", create(600))
        backlog.answered(pending)
        assert backlog.attempt(pending) == 0


class TestBusy:
    """The table was busy: no fault of the pending, unless it is always told so."""

    def told_busy(self, backlog: Backlog, times: int) -> None:
        for _ in range(times):
            backlog.busy(backlog.take(0.0))

    def test_its_turn_comes_again_at_once(self):
        backlog = wanted(create(600), create(601))
        self.told_busy(backlog, PATIENCE - 1)
        assert backlog.take(0.0).write == create(600)

    def test_one_that_is_always_told_so_lets_the_others_go_first(self):
        backlog = wanted(create(600), create(601))
        backlog.want("b", "games", (create(602),))
        self.told_busy(backlog, PATIENCE)
        assert order(backlog) == [create(602), create(601), create(600)]

    def test_and_waits_longer_each_time_as_it_may_be_its_row_alone(self):
        backlog, now = wanted(create(600)), 0.0
        pauses = []
        for _ in range(PATIENCE + 8):
            backlog.busy(backlog.take(now), now)
            pauses.append(max(backlog.next_due() - now, 0.0))
            now += pauses[-1]
        assert pauses[: PATIENCE - 1] == [0.0] * (PATIENCE - 1)
        assert (pauses[PATIENCE - 1], pauses[-1]) == IMPATIENT_S

    def test_those_on_other_external_ips_go_before_those_on_the_same(self):
        other = create(602, ip="2.2.2.2")
        backlog = wanted(create(600), create(601), other)
        for _ in range(PATIENCE):
            backlog.busy(backlog.take(0.0), 0.0)
        assert carry_out(backlog).write == other
        assert carry_out(backlog).write == create(601), "it may have been the table until now"

    def test_one_external_ip_that_is_always_told_so_is_tried_for_all_that_are_on_it(self):
        backlog = wanted(create(600), create(601), create(602))
        for _ in range(PATIENCE):
            backlog.busy(backlog.take(0.0), 0.0)
        backlog.want("b", "games", (create(603, ip="2.2.2.2"), delete()))
        assert carry_out(backlog).write == create(603, ip="2.2.2.2")
        backlog.busy(backlog.take(0.0), 0.0)
        assert order(backlog) == [delete()], "not one try for each"
        pauses, now = [], backlog.next_due()
        for _ in range(5):
            backlog.busy(backlog.take(now), now)
            assert backlog.take(now) is None
            pauses.append(backlog.next_due() - now)
            now = backlog.next_due()
        assert pauses == [1.0, 2.0, 4.0, 5.0, 5.0]

    def test_what_nobody_wants_any_more_is_not_put_back(self):
        backlog = wanted(create(600))
        for _ in range(PATIENCE):
            pending = backlog.take(0.0)
            backlog.want("a", "games", ())
            backlog.busy(pending)
            assert (len(backlog), backlog.sending) == (0, None)
            backlog.want("a", "games", (create(600),))

    def test_nor_what_was_replaced_on_its_way(self):
        backlog = wanted(create(600))
        pending = backlog.take(0.0)
        pending.turned_away = PATIENCE - 1
        backlog.want("a", "games", (create(601),))
        backlog.busy(pending)
        assert order(backlog) == [create(601)]


class TestNews:
    """Whether the PodDNAT of a write that was accepted is to be looked at."""

    def sent(self, write: Write) -> tuple[Backlog, PendingWrite]:
        backlog = wanted(write)
        return backlog, backlog.take(0.0)

    @pytest.mark.parametrize("write", [create(600), delete()])
    def test_that_it_was_is_none(self, write):
        backlog, pending = self.sent(write)
        assert not backlog.accepted(pending, 0.0)

    @pytest.mark.parametrize("write", [create(600), delete()])
    @pytest.mark.parametrize("again", [True, False], ids=["still wanted", "wanted no more"])
    def test_but_where_it_was_looked_at_meanwhile(self, write, again):
        """It was seen as one with a write under way, and may have had to wait for the answer."""
        backlog, pending = self.sent(write)
        backlog.want("a", "games", (write,) if again else ())
        assert backlog.accepted(pending, 0.0)

    def test_a_look_at_it_before_that_try_does_not_matter(self):
        backlog, pending = self.sent(create(600))
        backlog.busy(pending)
        backlog.want("a", "games", (create(600),))
        assert not backlog.accepted(backlog.take(1.0), 0.0)

    def test_and_where_something_had_been_said_against_it(self):
        backlog, pending = self.sent(create(600))
        backlog.refused(pending, NO, 0.0)
        assert backlog.accepted(backlog.take(1000.0), 0.0)

    def test_and_where_it_had_been_lost(self):
        backlog, pending = self.sent(create(600))
        backlog.lost(pending, 0.0)
        assert backlog.accepted(backlog.take(1000.0), 0.0)

    def test_and_of_a_row_that_was_in_use_until_now(self):
        backlog, pending = self.sent(ModifyRow(GATEWAY, "fwd-1", entry(600), "1/"))
        assert backlog.accepted(pending, 0.0)


class TestRefusals:
    def test_they_stand_until_the_row_is_accepted(self):
        backlog = wanted(create(600), create(601))
        pending = backlog.take(0.0)
        backlog.refused(pending, NO, 0.0)
        assert backlog.refusals("a") == {entry(600): NO}
        backlog.accepted(pending, 0.0)
        assert backlog.refusals("a") == {}
        backlog.accepted(pending, 0.0)

    def test_they_outlive_the_wish(self):
        backlog = wanted(create(600))
        pending = backlog.take(0.0)
        backlog.contested(pending, NO)
        assert len(backlog) == 0
        assert backlog.refusals("a") == {entry(600): NO}
        backlog.forget("a")
        assert backlog.refusals("a") == {}

    def test_of_deletes_and_of_the_unknown_there_are_none(self):
        backlog = wanted(delete())
        backlog.refused(backlog.take(0.0), NO, 0.0)
        backlog.refused(PendingWrite("b", "games", create(600)), NO, 0.0)
        assert (backlog.refusals("a"), backlog.refusals("b")) == ({}, {})

    def test_what_is_handed_out_is_a_copy(self):
        backlog = wanted(create(600))
        backlog.refused(backlog.take(0.0), NO, 0.0)
        backlog.refusals("a").clear()
        assert backlog.refusals("a") == {entry(600): NO}


class TestRoomMade:
    """Rows are gone: creates that were refused for quota need not wait out their pause."""

    def refused(self, *waits: float, why: Refused = Refused.QUOTA) -> Backlog:
        backlog = wanted(*(create(600 + n) for n in range(len(waits))))
        for wait in waits:
            pending = backlog.take(0.0)
            backlog.refused(pending, Refusal(why, 1, 1, "no"), wait - REFUSED_RETRY_S[0])
        return backlog

    def due(self, backlog: Backlog, now: float) -> list[Write]:
        found = []
        while pending := backlog.take(now):
            found.append(pending.write)
            backlog.settled(pending)
        return found

    def test_as_many_as_there_are_rows_the_next_ones_first(self):
        backlog = self.refused(90.0, 30.0, 60.0)
        assert backlog.room_made(2, 5.0)
        assert set(self.due(backlog, 5.0)) == {create(601), create(602)}
        assert backlog.next_due() == 90.0

    def test_what_is_due_anyway_is_not_put_off(self):
        backlog = self.refused(1.0)
        assert backlog.room_made(1, 5.0)
        assert backlog.next_due() == 1.0

    def test_other_refusals_and_other_writes_wait_on(self):
        backlog = self.refused(30.0, why=Refused.REJECTED)
        backlog.want("b", "games", (delete(), create(700)))
        assert not backlog.room_made(5, 5.0)
        assert backlog.next_due() == float("-inf")
        self.due(backlog, 5.0)
        assert backlog.next_due() == 30.0

    def test_nobody_waits(self):
        assert not Backlog().room_made(1, 0.0)


def test_memory_does_not_grow_with_poddnats_that_came_and_went():
    backlog = Backlog()
    for number in range(20):
        uid = f"uid-{number}"
        backlog.want(uid, "games", (create(600 + number),))
        if number % 2:
            pending = lose(backlog)
            backlog.forget(uid)
            backlog.settled(pending)
        else:
            carry_out(backlog)
            backlog.forget(uid)
        backlog.expedite(f"orphan-{number}")
        backlog.want(f"orphan-{number}", "", (delete(f"fwd-{number}"),), orphan=True)
        backlog.hinder(backlog.take(0.0), "refused")
        backlog.settled(backlog.sending)
    assert backlog._records == {}
    assert backlog._expedited == set()


class TestPauses:
    """What was put off is due again later each time; who was told what is counted."""

    def waits(self, backlog: Backlog, end: Callable[[PendingWrite, float], None]) -> list[float]:
        found, now = [], 0.0
        for _ in range(12):
            end(backlog.take(now), now)
            found.append(backlog.next_due() - now)
            now = backlog.next_due()
        return found

    def test_after_a_failure_they_grow_to_a_minute(self):
        backlog = wanted(create())
        waits = self.waits(backlog, backlog.failed)
        assert (waits[:3], waits[-1]) == ([0.5, 1.0, 2.0], 60.0)

    def test_after_a_refusal_they_grow_to_five(self):
        backlog = wanted(create())
        waits = self.waits(backlog, lambda pending, now: backlog.refused(pending, NO, now))
        assert (waits[:3], waits[-1]) == ([15.0, 30.0, 60.0], 300.0)

    def test_refusals_of_one_kind_in_a_row_are_counted(self):
        backlog = wanted(create())
        self.waits(backlog, lambda pending, now: backlog.refused(pending, NO, now))
        assert backlog.refusals("a")[entry(600)].count == 12
        quota = Refusal(Refused.QUOTA, 1, 8, "full")
        backlog.refused(backlog.take(1e6), quota, 1e6)
        assert backlog.refusals("a") == {entry(600): quota}

    def test_a_kind_that_is_denied_waits_as_a_whole_and_no_other_does(self):
        backlog = wanted(create(600), create(601), delete())
        backlog.barred(backlog.take(0.0), NO, 0.0, kind=True)
        assert order(backlog) == [delete()]
        assert (backlog.take(4.9), backlog.next_due()) == (None, 5.0)
        backlog.barred(backlog.take(5.0), NO, 5.0, kind=True)
        assert backlog.next_due() == 15.0
        backlog.accepted(backlog.take(15.0), 0.0)
        assert backlog.next_due() < 15.0, "granted again: nothing is held up any more"

    def test_what_is_barred_alone_holds_up_no_other(self):
        backlog = wanted(create(600), create(601))
        backlog.barred(backlog.take(0.0), NO, 0.0)
        assert backlog.take(0.0).write == create(601)


class TestDoubted:
    """A lost write that nobody wants any more: waited out, and then looked for once."""

    def unwanted(self) -> Backlog:
        backlog = wanted(create())
        lose(backlog)
        backlog.want("a", "games", ())
        return backlog

    def test_it_is_over_when_a_reading_after_the_longest_call_does_not_show_it(self):
        backlog = self.unwanted()
        assert backlog.doubted(backlog.take(1.0), 1, 1.0) is Recourse.WAIT
        assert backlog.next_due() == LOST_S
        assert backlog.doubted(backlog.take(LOST_S), 5, LOST_S) is Recourse.READ
        assert backlog.doubted(backlog.take(LOST_S + 1), 5, LOST_S + 1) is Recourse.READ, "not read"
        assert backlog.unanswered("a")
        assert backlog.doubted(backlog.take(LOST_S + 2), 6, LOST_S + 2) is Recourse.OVER
        assert (len(backlog), backlog.unanswered("a")) == (0, False)

    def test_one_that_was_wanted_again_and_lost_again_is_waited_out_anew(self):
        backlog = self.unwanted()
        backlog.doubted(backlog.take(LOST_S), 5, LOST_S)
        backlog.want("a", "games", (create(),))
        backlog.lost(backlog.take(LOST_S + 5), LOST_S + 5)
        backlog.want("a", "games", ())
        assert backlog.doubted(backlog.take(LOST_S + 6), 9, LOST_S + 6) is Recourse.WAIT

    def test_a_lost_one_that_cannot_be_sent_is_kept(self):
        backlog = self.unwanted()
        backlog.withdrawn(backlog.take(1.0), 1.0)
        assert backlog.unanswered("a")

    def test_what_was_never_sent_is_dropped_when_it_is_withdrawn(self):
        backlog = wanted(create())
        backlog.withdrawn(backlog.take(0.0), 0.0)
        assert (len(backlog), backlog.unanswered("a")) == (0, False)

    def test_what_was_not_sent_because_the_process_stops_is_nothing_lost(self):
        backlog = wanted(create())
        backlog.unsent(backlog.take(0.0))
        assert (len(backlog), backlog.unanswered("a")) == (1, False)
