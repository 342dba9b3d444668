"""When a table is read: soon enough to see writes settle, seldom enough to cost next to nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dnatctl.table.read_pace import (
    CREDIT_LIMIT,
    FIRST_GUESS_S,
    KICK_SPACING_S,
    LONGEST_LOOK_S,
    WRITES_A_READ,
    Facts,
    earn,
    next_read,
    read_cost,
)

NEVER = float("-inf")
AT_REST = Facts(
    now=100.0,
    rows=10,
    unsettled=(),
    removing=0,
    writing=False,
    typical=1.0,
    last_read=90.0,
    last_pass=80.0,
    looks=0,
    asked=False,
    idle_s=30.0,
    credit=0.0,
)


class TestAtRest:
    def test_a_table_at_rest_is_looked_over_at_leisure(self):
        assert next_read(AT_REST) == 110.0, "30 s after the last whole reading, not the last page"

    def test_writes_to_come_are_no_reason_to_read(self):
        assert next_read(replace(AT_REST, writing=True)) == 110.0

    def test_a_table_never_read_is_read_now(self):
        assert next_read(replace(AT_REST, last_pass=NEVER, last_read=NEVER)) == NEVER

    def test_asked_means_at_once_but_not_in_a_rush(self):
        asked = replace(AT_REST, asked=True)
        assert next_read(asked) < asked.now
        assert next_read(replace(asked, last_read=99.9)) == pytest.approx(99.9 + KICK_SPACING_S)


class TestAfterTheLastWrite:
    def test_read_just_when_it_has_settled_as_it_usually_does(self):
        facts = replace(AT_REST, unsettled=(99.5, 99.8), typical=0.6)
        assert next_read(facts) == pytest.approx(99.8 + 0.6)

    def test_with_nothing_known_soon(self):
        facts = replace(AT_REST, unsettled=(99.9,), typical=0.0)
        assert next_read(facts) == pytest.approx(99.9 + FIRST_GUESS_S)

    def test_looks_that_found_it_in_flux_are_followed_by_later_ones(self):
        looked = replace(AT_REST, unsettled=(90.0,), typical=1.0, last_read=99.0)
        pauses = [next_read(replace(looked, looks=n)) - 99.0 for n in (1, 2, 3, 4, 5, 50)]
        assert pauses == sorted(pauses)
        assert pauses[0] == pytest.approx(0.375)
        assert pauses[-1] == LONGEST_LOOK_S

    def test_never_later_than_at_rest(self):
        facts = replace(AT_REST, unsettled=(99.5,), typical=60.0)
        assert next_read(facts) == 110.0

    def test_a_row_found_in_flux_at_the_start_is_looked_at(self):
        facts = replace(AT_REST, unsettled=(NEVER,), typical=0.0, last_read=99.9)
        assert next_read(facts) < facts.now


class TestWhileWriting:
    def facts(self, unsettled: int, *, rows: int = 10, removing: int = 0) -> Facts:
        times = tuple(99.0 + n * 0.01 for n in range(unsettled))
        return replace(AT_REST, unsettled=times, rows=rows, removing=removing, writing=True)

    def test_a_read_that_is_earned_comes_when_the_first_row_has_settled(self):
        facts = replace(self.facts(1), credit=1.0, typical=0.7, last_read=90.0)
        assert next_read(facts) == pytest.approx(99.7)

    def test_one_that_is_not_waits(self):
        assert next_read(replace(self.facts(4), credit=0.9)) >= 104.0

    def test_a_dear_read_has_to_be_earned_whole(self):
        big = {"rows": 120, "removing": 1}
        assert read_cost(120, removing=True) == 6
        assert next_read(replace(self.facts(9, **big), credit=5.0)) > 103.0

    def test_five_writes_earn_a_read_and_savings_are_limited(self):
        assert earn(0.0, WRITES_A_READ) == pytest.approx(1.0)
        assert earn(CREDIT_LIMIT, 100) == CREDIT_LIMIT

    def test_what_is_new_can_be_read_cheaply_however_long_the_table(self):
        facts = replace(self.facts(WRITES_A_READ, rows=1000), credit=1.0)
        assert next_read(facts) == 100.0, "the first of them has settled"

    def test_few_writes_are_not_kept_waiting_for_long(self):
        quick, slow = (replace(self.facts(1), typical=t, idle_s=60.0) for t in (0.2, 3.0))
        assert next_read(quick) == pytest.approx(99.0 + 5.0)
        assert next_read(slow) == pytest.approx(99.0 + WRITES_A_READ * 3.05)


@pytest.mark.parametrize(
    ("rows", "removing", "pages"),
    [
        (0, False, 1),
        (50, True, 1),
        (51, False, 1),
        (51, True, 4),
        (1000, True, 40),
        (1000, False, 1),
    ],
)
def test_what_a_read_costs(rows, removing, pages):
    assert read_cost(rows, removing=removing) == pages


@pytest.mark.parametrize("settles", [0.05, 0.2, 1.0, 3.0])
@pytest.mark.parametrize("removing", [False, True])
def test_a_burst_of_writes_costs_a_quarter_as_many_reads_at_most(settles, removing):
    """200 writes one after the other to a table of one page, and looking until all have settled."""
    writes = [n * settles for n in range(200)]
    now, reads, looks = 0.0, 0, 0
    credit, earned = CREDIT_LIMIT, 0
    last_read = last_pass = NEVER
    seen_settled = 0
    while seen_settled < len(writes):
        sent = sum(1 for at in writes if at <= now)
        unsettled = tuple(writes[seen_settled:sent])
        credit, earned = earn(credit, sent - earned), sent
        due = next_read(
            Facts(
                now=now,
                rows=20,
                unsettled=unsettled,
                removing=len(unsettled) if removing else 0,
                writing=sent < len(writes),
                typical=settles,
                last_read=last_read,
                last_pass=last_pass,
                looks=looks,
                asked=False,
                idle_s=30.0,
                credit=credit,
            )
        )
        upcoming = [at for at in writes if at > now]
        if due > now and upcoming and upcoming[0] < due:
            now = upcoming[0]
            continue
        now = max(now, due)
        reads += 1
        credit = max(credit - 1.0, 0.0)
        last_read = last_pass = now
        seen_settled = sum(1 for at in writes if at + settles <= now + 1e-9)
        looks = looks + 1 if seen_settled < sum(1 for at in writes if at <= now) else 0
        assert reads < 1000, "looks without end"
    assert reads <= 0.25 * len(writes)
    assert now <= writes[-1] + 2 * settles + LONGEST_LOOK_S, "and the last is seen soon"
