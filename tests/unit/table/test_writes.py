"""The words of writes: when one is done, what tells it from another, how refusals count."""

from __future__ import annotations

import pytest

from dnatctl.model import EntryStatus
from dnatctl.table.view import Table
from dnatctl.table.writes import Refusal, Refused, Write, effect, is_done
from tests.unit.table.made import DELETING, EIP, GATEWAY, MARKS, PENDING, POD_IP, reading, row, uid
from tests.unit.table.pending import create, delete, entry, modify

OWNER = uid(1)


def table(*rows: object) -> Table:
    found = Table(GATEWAY, lambda entry: MARKS.owner(entry.name), lambda _row: None)
    found.merge(reading(1.0, *rows), 1.0)
    return found


def asked(owner: str = OWNER, internal: str = "10.0.0.1:80", status: EntryStatus = PENDING):
    return row("fwd-1", f"{EIP}:600", internal, owner=owner, status=status)


class TestIsDone:
    def test_a_create_when_its_row_is_there_settled_or_not(self):
        assert not is_done(table(), OWNER, create())
        assert is_done(table(asked()), OWNER, create())

    def test_but_not_by_a_row_of_another_or_for_another_port(self):
        assert not is_done(table(asked(owner=uid(2))), OWNER, create())
        assert not is_done(table(asked()), OWNER, create(601))

    def test_a_change_when_the_row_leads_as_asked_or_is_not_there_to_be_changed(self):
        assert is_done(table(asked()), OWNER, modify("fwd-1"))
        assert not is_done(table(asked(internal="10.0.0.2:80")), OWNER, modify("fwd-1"))
        assert is_done(table(), OWNER, modify("fwd-1"))

    def test_a_delete_when_the_row_is_gone_or_going(self):
        assert not is_done(table(asked()), OWNER, delete())
        assert is_done(table(asked(status=DELETING)), OWNER, delete())
        assert is_done(table(), OWNER, delete())

    def test_or_is_not_the_poddnats_any_more(self):
        assert is_done(table(asked(owner=uid(2))), OWNER, delete())


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (create(intent="1/"), create(intent="2/"), True),
        (create(600), create(601), False),
        (modify("fwd-1"), modify("fwd-2"), False),
        (delete("fwd-1"), delete("fwd-1"), True),
    ],
)
def test_a_new_reason_makes_no_other_effect(one: Write, other: Write, same: bool):
    assert (effect(one) == effect(other)) is same


def test_refusals_are_counted_as_long_as_they_are_of_one_kind():
    first, second = Refusal(Refused.CONFLICT, 1, 7, "a"), Refusal(Refused.CONFLICT, 1, 8, "b")
    assert first.after(None) == first
    assert second.after(first) == Refusal(Refused.CONFLICT, 2, 8, "b")
    quota = Refusal(Refused.QUOTA, 1, 9, "c")
    assert quota.after(second.after(first)) == quota


def test_the_address_of_these_rows_is_the_one_that_is_written():
    assert (entry(600).external_ip, entry(600).internal_ip) == (EIP, POD_IP)
