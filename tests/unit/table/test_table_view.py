"""The view of a table: readings and answers to own writes, in every order they can come in."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dnatctl.model import Endpoint, ForwardEntry, NewEntry, PortRange
from dnatctl.table.view import READ_LAG_S, Change, Pass, Row, Table
from tests.unit.table.made import (
    AVAILABLE,
    DELETING,
    EIP,
    GATEWAY,
    MARKS,
    PENDING,
    POD_IP,
    TCP,
    UDP,
    reading,
    row,
    states,
    uid,
    view,
)

MINE = row("fwd-1", owner=uid(1))
NEW = replace(MINE, status=PENDING)


def endpoint(port: int, ip: str = EIP, protocol=TCP) -> Endpoint:
    return Endpoint(ip, port, protocol)


class TestWhatItAnswers:
    def test_a_table_never_read_is_empty_and_says_so(self):
        table = view(read=False)
        assert (table.read_once, len(table), table.rows(), table.generation) == (False, 0, [], 0)

    def test_each_pass_is_a_generation(self):
        table = view()
        assert (table.read_once, table.generation) == (True, 1)
        table.merge(reading(1.0, atomic=False), 1.0)
        assert table.generation == 2
        table.merge_part([MINE], 2.0)
        assert table.generation == 2, "a part says nothing of the whole"

    def test_rows_by_owner(self):
        table = view(MINE, row("fwd-2", f"{EIP}:601", "10.0.0.2:80"))
        assert [r.entry.entry_id for r in table.owned_by(uid(1))] == ["fwd-1"]
        assert table.owned_by(uid(2)) == []
        assert table.owners() == [uid(1)]
        assert table.foreign_count() == 1
        assert table.row("fwd-2") == Row(row("fwd-2", f"{EIP}:601", "10.0.0.2:80"), "")
        assert table.row("fwd-9") is None

    @pytest.mark.parametrize(
        ("external", "protocol", "covered", "free"),
        [
            ("1.1.1.1:600", TCP, [endpoint(600)], [endpoint(601), endpoint(600, protocol=UDP)]),
            ("1.1.1.1:600/602", UDP, [endpoint(602, protocol=UDP)], [endpoint(602), endpoint(603)]),
            (
                "1.1.1.1:Any",
                None,
                [endpoint(1), endpoint(65535, protocol=UDP)],
                [endpoint(1, "2.2.2.2")],
            ),
        ],
    )
    def test_what_covers_an_endpoint(self, external, protocol, covered, free):
        internal = "10.0.0.1:" + external.partition(":")[2]
        table = view(row("fwd-1", external, internal, protocol=protocol))
        for taken in covered:
            assert [r.entry.entry_id for r in table.covering(taken)] == ["fwd-1"]
        for untaken in free:
            assert table.covering(untaken) == []

    def test_only_an_ip_mapping_bars_a_whole_address(self):
        table = view(
            row("fwd-1", "1.1.1.1:Any", "10.0.0.1:Any", protocol=None),
            row("fwd-2", "2.2.2.2:1/65535", "10.0.0.2:1/65535"),
        )
        assert table.any_row_on("1.1.1.1")
        assert not table.any_row_on("2.2.2.2"), "it leaves UDP"
        assert not table.any_row_on("3.3.3.3")

    def test_what_holds_an_internal_address(self):
        table = view(
            row("fwd-1", internal="10.0.0.1:80"),
            row("fwd-2", "1.1.1.1:700/702", "10.0.0.1:90/92", protocol=UDP),
            row("fwd-3", "2.2.2.2:Any", "10.0.0.3:Any", protocol=None),
        )
        held = lambda *a: [r.entry.entry_id for r in table.holding(*a)]  # noqa: E731
        assert held("10.0.0.1", 80, TCP) == ["fwd-1"]
        assert held("10.0.0.1", 80, UDP) == []
        assert held("10.0.0.1", 91, UDP) == ["fwd-2"]
        assert held("10.0.0.3", 5, UDP) == ["fwd-3"]
        assert held("10.0.0.9", 80, TCP) == []
        assert [r.entry.entry_id for r in table.leading_to("10.0.0.1")] == ["fwd-1", "fwd-2"]
        assert table.leading_to("10.0.0.9") == []

    def test_only_own_rows_are_waited_for(self):
        table = view(replace(row("fwd-2"), status=PENDING), NEW)
        assert [r.entry.entry_id for r in table.in_flux()] == ["fwd-1"]

    @pytest.mark.parametrize(
        ("wanted", "held"),
        [
            ({}, True),
            ({"internal_ip": "10.0.0.9"}, True),
            ({"external_ports": PortRange(601, 601)}, False),
            ({"external_ports": PortRange(600, 601)}, False),
            ({"external_ip": "2.2.2.2"}, False),
            ({"protocol": UDP}, False),
        ],
    )
    def test_whether_a_wanted_row_is_there_already(self, wanted, held):
        known = {
            "external_ip": EIP,
            "external_ports": PortRange(600, 600),
            "internal_ip": POD_IP,
            "internal_ports": PortRange(80, 80),
            "protocol": TCP,
            "name": MINE.name,
        }
        table = view(MINE)
        assert table.holds(uid(1), NewEntry(**{**known, **wanted})) is held
        assert not table.holds(uid(2), NewEntry(**known))


def agreed(table: Table, started: float, *rows: ForwardEntry) -> list[Change]:
    """What changes when two readings in a row list just that."""
    first = table.merge(reading(started, *rows), started)
    return first + table.merge(reading(started + 0.2, *rows), started + 0.2)


class TestOwnWrites:
    def test_a_created_row_is_there_before_any_listing(self):
        table = view()
        table.created(NEW, 1.0)
        assert states(table) == {"fwd-1": PENDING}
        assert [r.entry for r in table.owned_by(uid(1))] == [NEW]
        assert [r.entry for r in table.covering(endpoint(600))] == [NEW]

    def test_a_listing_that_came_before_the_answer_is_believed(self):
        table = view(MINE)
        table.created(NEW, 1.0)
        assert states(table) == {"fwd-1": AVAILABLE}

    def test_a_modified_row_leaves_its_old_place(self):
        table = view(MINE)
        moved = row("fwd-1", internal="10.0.0.7:80", owner=uid(1), status=PENDING)
        table.modified(moved, 1.0)
        assert states(table) == {"fwd-1": PENDING}
        assert table.leading_to(POD_IP) == []
        assert [r.entry for r in table.leading_to("10.0.0.7")] == [moved]

    def test_a_deleted_row_stays_until_it_is_seen_absent(self):
        table = view(MINE)
        table.deleting("fwd-1", 1.0)
        assert states(table) == {"fwd-1": DELETING}
        assert table.covering(endpoint(600)), "its endpoint is not free yet"
        assert agreed(table, 2.0) == [
            Change(Row(replace(MINE, status=DELETING), uid(1), 1.0), None)
        ]
        assert states(table) == {}
        assert table.covering(endpoint(600)) == []

    def test_deleting_what_is_not_there_changes_nothing(self):
        table = view(MINE)
        table.deleting("fwd-9", 1.0)
        assert states(table) == {"fwd-1": AVAILABLE}

    def test_the_cloud_saying_that_a_row_is_gone_is_enough(self):
        table = view(MINE)
        assert table.gone("fwd-1", 1.0) == Change(Row(MINE, uid(1)), None)
        assert states(table) == {}
        assert table.gone("fwd-1", 1.0) is None

    def test_with_the_gateway_all_rows_are_gone(self):
        other = row("fwd-2", f"{EIP}:601", "10.0.0.2:80")
        table = view(MINE, other)
        assert [r.entry for r in table.vanished()] == [MINE, other]
        assert (len(table), table.owners(), table.vanished()) == (0, [], [])
        assert not table.read_once, "it may be there after all, with what it had"

    def test_adopting_a_row_gives_it_its_owner(self):
        adopted: dict[str, str] = {}
        table = Table(GATEWAY, lambda e: MARKS.owner(e.name) or adopted.get(e.entry_id, ""))
        table.merge(reading(0.0, row("fwd-1")), 0.0)
        adopted["fwd-1"] = uid(5)
        table.reowned("fwd-1")
        table.reowned("fwd-9")
        assert [r.entry.entry_id for r in table.owned_by(uid(5))] == ["fwd-1"]
        assert table.foreign_count() == 0


class TestPassesAndWrites:
    """`started` says when a pass began; writes at the same time or later are newer than it."""

    @pytest.mark.parametrize("started", [0.5, 1.0])
    def test_a_pass_from_before_the_answer_does_not_undo_a_create(self, started):
        table = view()
        table.created(NEW, 1.0)
        assert table.merge(reading(started), 5.0) == []
        assert states(table) == {"fwd-1": PENDING}

    @pytest.mark.parametrize("started", [0.5, 1.0])
    def test_nor_a_modify(self, started):
        table = view(MINE)
        moved = row("fwd-1", internal="10.0.0.7:80", owner=uid(1), status=PENDING)
        table.modified(moved, 1.0)
        assert table.merge(reading(started, MINE), 5.0) == []
        assert table.row("fwd-1").entry == moved

    @pytest.mark.parametrize("started", [0.5, 1.0])
    def test_nor_a_delete(self, started):
        table = view(MINE)
        table.deleting("fwd-1", 1.0)
        assert table.merge(reading(started, MINE), 5.0) == []
        assert states(table) == {"fwd-1": DELETING}
        assert table.merge(reading(started), 5.0) == [], "and absence proves as little"
        assert states(table) == {"fwd-1": DELETING}

    def test_a_pass_from_after_the_answer_shows_how_it_is(self):
        table = view()
        table.created(NEW, 1.0)
        before = table.row("fwd-1")
        after = Row(MINE, uid(1), written=1.0)
        assert table.merge(reading(1.5, MINE), 2.0) == [Change(before, after)]
        assert table.row("fwd-1") == after

    def test_a_pass_that_shows_no_news_changes_nothing(self):
        table = view(MINE)
        assert table.merge(reading(1.0, MINE), 1.0) == []

    def test_a_first_listing_of_a_row_as_it_was_written_is_no_change(self):
        table = view()
        table.created(NEW, 1.0)
        assert table.merge(reading(1.5, NEW), 2.0) == []
        assert table.row("fwd-1").seen

    def test_what_others_did_is_a_change(self):
        table = view(MINE)
        edited = row("fwd-1", internal="10.0.0.9:80", owner=uid(1))
        (change,) = table.merge(reading(1.0, edited), 1.0)
        assert (change.before.entry, change.after.entry) == (MINE, edited)
        (gone,) = agreed(table, 2.0)
        assert (gone.before.entry, gone.after) == (edited, None)

    def test_a_row_renamed_to_another_mark_changes_hands(self):
        table = view(MINE)
        renamed = row("fwd-1", owner=uid(2))
        (change,) = table.merge(reading(1.0, renamed), 1.0)
        assert (change.before.owner, change.after.owner) == (uid(1), uid(2))
        assert table.owned_by(uid(1)) == []
        assert [r.entry for r in table.owned_by(uid(2))] == [renamed]

    def test_one_of_several_rows_of_an_owner_can_go(self):
        second = row("fwd-2", f"{EIP}:601", f"{POD_IP}:81", owner=uid(1))
        table = view(MINE, second)
        agreed(table, 1.0, second)
        assert [r.entry for r in table.owned_by(uid(1))] == [second]
        assert [r.entry for r in table.leading_to(POD_IP)] == [second]

    def test_a_part_shows_what_is_there_and_nothing_else(self):
        table = view(MINE)
        other = row("fwd-2", "1.1.1.1:601", "10.0.0.2:80")
        (change,) = table.merge_part([other], 1.0)
        assert change == Change(None, Row(other, ""))
        assert states(table) == {"fwd-1": AVAILABLE, "fwd-2": AVAILABLE}


class TestReadLag:
    """A row that the cloud has confirmed may be missing from its listings for a while."""

    def test_a_new_row_survives_listings_that_lag(self):
        table = view()
        table.created(NEW, 1.0)
        assert table.merge(reading(1.0 + READ_LAG_S), 1.0 + READ_LAG_S) == []
        assert states(table) == {"fwd-1": PENDING}

    def test_but_not_for_ever(self):
        table = view()
        table.created(NEW, 1.0)
        late = 1.1 + READ_LAG_S
        assert agreed(table, late) == [], "it is asked for by its ID first"
        assert table.unlisted(reading(late)) == ["fwd-1"]
        assert len(table.answered("fwd-1", None, late)) == 1
        assert states(table) == {}

    def test_once_listed_its_absence_counts_as_soon_as_two_readings_agree(self):
        table = view()
        table.created(NEW, 1.0)
        table.merge(reading(2.0, NEW), 2.0)
        table.merge(reading(3.0), 3.0)
        assert states(table) == {"fwd-1": PENDING}
        table.merge(reading(3.2), 3.2)
        assert states(table) == {}

    def test_a_listing_that_is_older_than_the_write_still_shows_that_listings_know_the_row(self):
        table = view()
        table.created(NEW, 2.0)
        table.merge_part([MINE], 1.0)
        assert states(table) == {"fwd-1": PENDING}
        agreed(table, 3.0)
        assert states(table) == {}

    def test_a_deleted_row_that_was_never_listed_is_gone_when_not_listed(self):
        table = view()
        table.created(NEW, 1.0)
        table.deleting("fwd-1", 2.0)
        agreed(table, 3.0)
        assert states(table) == {}

    def test_a_repeated_answer_does_not_end_the_patience(self):
        table = view()
        table.created(NEW, 1.0)
        table.created(NEW, 2.0)
        table.merge(reading(3.0), 3.0)
        assert states(table) == {"fwd-1": PENDING}

    def test_nor_does_a_change_of_a_row_not_listed_yet(self):
        table = view()
        table.created(NEW, 1.0)
        table.modified(row("fwd-1", internal="10.0.0.7:80", owner=uid(1), status=PENDING), 2.0)
        table.merge(reading(3.0), 3.0)
        assert states(table) == {"fwd-1": PENDING}


class TestListingsOfTheTimeBefore:
    """A row that was changed or deleted may be listed for a while as it was."""

    CHANGED = row("fwd-1", internal="10.0.0.7:80", owner=uid(1), status=PENDING)

    def test_a_row_being_deleted_does_not_come_back_to_life(self):
        table = view(MINE)
        table.deleting("fwd-1", 1.0)
        assert table.merge(reading(2.0, MINE), 2.0) == []
        assert states(table) == {"fwd-1": DELETING}
        agreed(table, 3.0)
        assert states(table) == {}

    def test_nor_does_one_that_no_listing_had_shown_before(self):
        table = view()
        table.created(NEW, 1.0)
        table.deleting("fwd-1", 2.0)
        table.merge(reading(3.0, MINE), 3.0)
        assert states(table) == {"fwd-1": DELETING}

    def test_nor_does_one_that_was_missing_already(self):
        table = view()
        table.created(NEW, 1.0)
        table.deleting("fwd-1", 2.0)
        agreed(table, 3.0)
        assert table.merge(reading(4.0, MINE), 4.0) == []
        assert states(table) == {}
        late = 2.1 + READ_LAG_S
        table.merge(reading(late, MINE), late)
        assert states(table) == {"fwd-1": AVAILABLE}, "what is still there then was not deleted"

    def test_a_changed_row_does_not_lead_back(self):
        table = view(MINE)
        table.modified(self.CHANGED, 1.0)
        assert table.merge(reading(2.0, MINE), 2.0) == []
        assert table.row("fwd-1").entry == self.CHANGED
        table.merge(reading(3.0, replace(self.CHANGED, status=AVAILABLE)), 3.0)
        assert states(table) == {"fwd-1": AVAILABLE}

    def test_what_is_listed_long_after_the_write_is_so(self):
        """Guards a write that came to nothing after all from being waited for without end."""
        table = view(MINE)
        table.deleting("fwd-1", 1.0)
        late = 1.1 + READ_LAG_S
        assert len(agreed(table, late, MINE)) == 1
        assert states(table) == {"fwd-1": AVAILABLE}

    def test_a_row_that_has_settled_is_as_it_is_listed(self):
        table = view()
        table.created(NEW, 1.0)
        table.merge(reading(2.0, MINE), 2.0)
        edited = row("fwd-1", internal="10.0.0.9:80", owner=uid(1))
        assert len(table.merge(reading(3.0, edited), 3.0)) == 1
        assert table.row("fwd-1").entry == edited


def missing(table: Table, passed: Pass) -> list[str]:
    """IDs of the rows that the pass leaves in question."""
    return [row.entry.entry_id for row in table.unproven(passed)]


class TestPagedPasses:
    """A reading page by page can miss rows that are there: it deletes nothing."""

    def test_a_missed_row_stays_and_is_in_question(self):
        table = view(MINE)
        passed = reading(1.0, atomic=False)
        assert missing(table, passed) == ["fwd-1"]
        assert table.merge(passed, 1.0) == []
        assert states(table) == {"fwd-1": AVAILABLE}

    def test_a_row_being_deleted_is_in_question_too(self):
        table = view(MINE)
        table.deleting("fwd-1", 1.0)
        assert missing(table, reading(0.5, atomic=False)) == []
        assert missing(table, reading(2.0, atomic=False)) == ["fwd-1"]

    def test_a_new_row_is_in_question_only_after_the_lag(self):
        table = view()
        table.created(NEW, 1.0)
        assert missing(table, reading(2.0, atomic=False)) == []
        assert missing(table, reading(1.1 + READ_LAG_S, atomic=False)) == ["fwd-1"]

    def test_listed_rows_are_not_in_question(self):
        table = view(MINE)
        assert missing(table, reading(1.0, MINE, atomic=False)) == []

    def test_those_that_somebody_waits_for_come_first(self):
        theirs, mine, going = row("fwd-0"), row("fwd-1", owner=uid(1)), row("fwd-2", owner=uid(2))
        table = view(theirs, mine, going)
        table.deleting("fwd-2", 1.0)
        assert missing(table, reading(2.0, atomic=False)) == ["fwd-2", "fwd-1", "fwd-0"]


class TestOverlooked:
    """Rows of others that readings lack which prove nothing: others may write without end."""

    def test_one_that_is_lacked_for_long_is_gone(self):
        table = view(row("fwd-0"), MINE)
        for at in (1.0, 10.0, READ_LAG_S):
            assert table.merge(reading(at, MINE, atomic=False), at) == []
        assert table.doubts_due() == 1.0 + READ_LAG_S
        (change,) = table.merge(reading(1.0 + READ_LAG_S, MINE, atomic=False), 30.0)
        assert (change.before.entry.entry_id, change.after) == ("fwd-0", None)
        assert (list(states(table)), table.doubts_due()) == (["fwd-1"], None)

    def test_own_ones_are_not(self):
        table = view(MINE)
        for at in (1.0, 100.0, 1000.0):
            assert table.merge(reading(at, atomic=False), at) == []

    @pytest.mark.parametrize("part", [True, False])
    def test_one_that_is_listed_meanwhile_is_there(self, part):
        table = view(row("fwd-0"))
        table.merge(reading(1.0, atomic=False), 1.0)
        if part:
            table.merge_part([row("fwd-0")], 15.0)
        else:
            table.merge(reading(15.0, row("fwd-0"), atomic=False), 15.0)
        assert table.merge(reading(30.0, atomic=False), 30.0) == []
        assert table.doubts_due() == 30.0 + READ_LAG_S

    def test_a_reading_that_lists_fewer_than_it_counts_says_nothing(self):
        table = view(row("fwd-0"))
        cut = replace(reading(1.0, atomic=False), cut=True)
        for at in (1.0, 30.0, 60.0):
            assert table.merge(replace(cut, started=at), at) == []
        assert table.doubts_due() is None

    def test_it_takes_no_room_any_more(self):
        table = view(row("fwd-0"), row("fwd-2"), MINE)
        assert (table.present, table.present_foreign) == (3, 2)
        table.merge(reading(1.0, MINE, row("fwd-2"), atomic=False), 1.0)
        assert (table.present, table.present_foreign) == (2, 1)
        table.gone("fwd-0", 2.0)
        assert (table.present, table.present_foreign) == (2, 1)


def test_indexes_hold_no_more_than_the_rows():
    """Whatever happened to rows, the questions about them are answered from those that are left."""
    table = view()
    for number in range(50):
        mine: ForwardEntry = row(
            f"fwd-{number}", f"{EIP}:{600 + number}", f"10.0.0.{number}:80", owner=uid(number)
        )
        table.created(replace(mine, status=PENDING), 1.0)
        table.modified(
            row(f"fwd-{number}", f"{EIP}:{700 + number}/{701 + number}", "10.0.1.1:80/81"), 2.0
        )
        table.gone(f"fwd-{number}", 2.0)
    assert (len(table), table.owners(), table.foreign_count()) == (0, [], 0)
    assert table.leading_to("10.0.1.1") == []
    assert table.covering(endpoint(700)) == []


class TestAnswersThatNameAnother:
    def test_a_create_that_is_answered_with_the_id_of_somebody_elses_row_makes_it_nobodys(self):
        """It is not what was made: named as that is, it would be ours, lead astray, and go."""
        foreign = replace(row("fwd-1", f"{EIP}:30", "10.0.9.9:30"), name="")
        table = view(foreign)
        table.created(NEW, 1.0)
        known = table.row("fwd-1")
        assert known is not None
        assert (known.entry, known.owner) == (foreign, "")
        assert table.owned_by(uid(1)) == []

    def test_one_that_was_listed_without_its_name_before_the_answer_came_is_what_was_made(self):
        table = view(replace(MINE, name=""))
        table.created(NEW, 1.0)
        assert [r.entry.entry_id for r in table.owned_by(uid(1))] == ["fwd-1"]
