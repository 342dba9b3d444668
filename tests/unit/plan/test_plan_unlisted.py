"""A claim of an earlier process, soon after a start: listings may not show its row yet."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from dnatctl.objects import PodDNAT, PodDNATStatus
from dnatctl.plan.release import READING_S
from dnatctl.plan.values import Plan, Retire
from dnatctl.table.view import READ_LAG_S
from tests.unit.plan.made import NOW, Scene, ready, record
from tests.unit.table.made import GATEWAY, reading, row, uid, view

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


def test_when_it_is_over_the_table_is_read_once_more():
    """At rest nobody else reads it: what is known of it is still the one reading."""
    for ago in (READ_LAG_S, 10 * READ_LAG_S):
        assert begun(ago=ago).plan() == Plan(retry_in=READING_S, read=GATEWAY)


def test_listings_catch_up():
    scene = begun(ago=READ_LAG_S)
    table = scene.tables[GATEWAY]
    table.merge(reading(NOW - 1.0), NOW)
    assert scene.plan().read == GATEWAY, "it began before"
    table.merge(reading(NOW), NOW)
    assert scene.plan() == Plan(Retire(ENDPOINTS))


def test_a_row_that_was_listed_and_is_gone_since_has_shown_itself():
    table = view(read=False)
    table.merge(reading(NOW - 5.0, row("fwd-1", owner=UNTOLD.uid)), NOW - 5.0)
    scene = Scene(record=UNTOLD, tables={GATEWAY: table})
    assert scene.plan().step is None, "its row is to be deleted"
    table.gone("fwd-1", NOW)
    assert scene.plan() == Plan(Retire(ENDPOINTS))


def test_what_was_listed_of_others_shows_nothing():
    table = view(read=False)
    table.merge(reading(NOW - 5.0, row("fwd-1", owner=uid(9))), NOW - 5.0)
    scene = Scene(record=UNTOLD, tables={GATEWAY: table})
    assert scene.plan() == Plan(retry_in=READ_LAG_S - 5.0)


def test_where_it_cannot_be_read_any_more_that_is_told():
    scene = begun(ago=READ_LAG_S)
    scene.tables[GATEWAY].unreadable = "Forbidden.RAM"
    made = scene.plan()
    assert made.problem.reason == "GatewayUnusable"
    assert "Forbidden.RAM" in made.problem.message


def test_of_a_table_that_is_gone_nothing_is_waited_for():
    scene = begun(ago=READ_LAG_S)
    scene.tables[GATEWAY].vanished()
    assert scene.plan(absent=frozenset({GATEWAY})) == Plan(Retire(ENDPOINTS))


def test_no_other_process_made_rows_for_what_this_one_created():
    assert begun(ago=5.0).plan(made_here=True) == Plan(Retire(ENDPOINTS))


@pytest.mark.parametrize("reason", ["Releasing", "EntriesAwaited", "QuotaExceeded"])
def test_what_was_told_says_nothing_of_its_row(reason):
    """An earlier process made it just before it told so, or afterwards, and heard of it from a
    backend that is further than the one which was read here."""
    told = replace(UNTOLD, status=PodDNATStatus((), (ready("False", reason),), 1))
    assert begun(ago=5.0, record=told).plan() == Plan(retry_in=READ_LAG_S - 5.0)
