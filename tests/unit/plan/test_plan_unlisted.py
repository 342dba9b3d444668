"""A claim that was never told ready, soon after a start: listings may not show its row yet."""

from __future__ import annotations

from msgspec.structs import replace

from dnatctl.objects import PodDNAT, PodDNATStatus
from dnatctl.plan.values import Plan, Retire
from dnatctl.table.view import READ_LAG_S
from tests.unit.plan.made import NOW, Scene, ready, record
from tests.unit.table.made import GATEWAY, view

UNTOLD = record((600, 80))
ENDPOINTS = UNTOLD.spec.endpoints()


def begun(ago: float, record: PodDNAT = UNTOLD) -> Scene:
    """The pod is gone; the table was first read so many seconds ago, and shows nothing."""
    table = view()
    table.first_read = NOW - ago
    return Scene(record=record, tables={GATEWAY: table})


def test_an_earlier_process_may_have_made_its_row():
    assert begun(ago=5.0).plan() == Plan(retry_in=READ_LAG_S - 5.0)
    assert begun(ago=READ_LAG_S - 1.0).plan() == Plan(retry_in=1.0)


def test_listings_catch_up():
    assert begun(ago=READ_LAG_S).plan() == Plan(Retire(ENDPOINTS))


def test_no_other_process_made_rows_for_what_this_one_created():
    assert begun(ago=5.0).plan(made_here=True) == Plan(Retire(ENDPOINTS))


def test_what_was_told_ready_once_would_be_listed():
    told = replace(UNTOLD, status=PodDNATStatus((), (ready("False"),), 1))
    assert begun(ago=5.0, record=told).plan() == Plan(Retire(ENDPOINTS))


def test_that_it_waits_says_nothing_of_its_row():
    """Said by an earlier process, perhaps, that made the row afterwards."""
    waits = replace(UNTOLD, status=PodDNATStatus((), (ready("False", "EntriesAwaited"),), 1))
    assert begun(ago=5.0, record=waits).plan() == Plan(retry_in=READ_LAG_S - 5.0)
