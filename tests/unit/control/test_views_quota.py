"""How many endpoints a namespace may have, and who has them where it asks for more."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from dnatctl.control.state.views import Views
from dnatctl.objects import Key, PodDNAT
from tests.support.clock import FakeClock
from tests.support.steps import steps
from tests.unit.pool.made import QUARANTINE, eip, endpoint, offer, spec
from tests.unit.table.made import GATEWAY, MARKS, reading, row, uid

LIMIT = 3


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def views(clock: FakeClock) -> Views:
    """Ten endpoints, of which `games` may have three."""
    views = Views(MARKS, [offer()], QUARANTINE, clock, {"games": LIMIT}.get)
    views.pool.describe(GATEWAY, [eip()], "")
    views.table(GATEWAY).merge(reading(0.0), 0.0)
    return views


def record(number: int, *ports: int, created: str = "1", namespace: str = "games") -> PodDNAT:
    key = Key(namespace, f"pod-{number}")
    return PodDNAT(key, uid(number), "1", spec=spec(*ports), created=created)


def left(views: Views, name: str = "new", namespace: str = "games") -> int | None:
    allowance = views.quota_left(Key(namespace, name))
    return allowance.left if allowance else None


def owners(views: Views, *ports: int) -> list[str]:
    return [views.pool.owner(endpoint(port)) for port in ports]


class TestCounting:
    def test_endpoints_count_not_pods(self, views):
        views.record_changed(None, record(1, 600, 601))
        assert left(views) == 1
        assert left(views, namespace="other") is None

    def test_what_is_being_created_counts_but_not_against_itself(self, views):
        views.begin_claim(Key("games", "new"), spec(600, 601))
        assert left(views, "another") == 1
        assert left(views, "new") == LIMIT
        views.record_changed(None, replace(record(1, 600, 601), key=Key("games", "new")))
        assert left(views, "another") == 1

    def test_what_rests_counts_for_who_caused_it(self, views, clock):
        views.pool.open()
        views.record_changed(None, record(1, 600, 601, 602))
        views.about_to_send(uid(1), [endpoint(600), endpoint(601)])
        views.record_changed(record(1, 600, 601, 602), None)
        assert left(views) == 1, "what was never sent does not rest"
        clock.advance(QUARANTINE)
        assert left(views) == LIMIT

    def test_so_does_what_a_row_leaves_that_its_claim_has_left_before(self, views):
        views.record_changed(None, record(1, 600))
        table = views.table(GATEWAY)
        table.merge(reading(1.0, row("fwd-1", "1.1.1.1:605", "10.0.0.9:80", owner=uid(1))), 1.0)
        table.gone("fwd-1", 2.0)
        assert left(views) == LIMIT - 2

    def test_one_that_several_claim_counts_once(self, views):
        views.record_changed(None, record(1, 600))
        views.record_changed(None, record(2, 600))
        assert left(views) == 2
        views.record_changed(record(1, 600), None)
        assert left(views) == 2
        views.record_changed(record(2, 600), None)
        assert left(views) == LIMIT - 1, "it rests"

    def test_one_that_another_namespace_goes_on_claiming_counts_there(self, views):
        views.record_changed(None, record(1, 600))
        views.record_changed(None, record(2, 600, namespace="other"))
        views.record_changed(record(1, 600), None)
        assert left(views) == LIMIT
        assert views.pool.quotas.use("other", 0.0)[1] == 1


class TestBeyond:
    """PodDNATs that somebody writes by hand reserve no more than their namespace may have."""

    def test_who_comes_too_late_gets_nothing(self, views):
        views.pool.open()
        views.record_changed(None, record(1, 600, 601, 602))
        views.record_changed(None, record(2, 603, 604))
        assert owners(views, 602, 603, 604) == [uid(1), "", ""]
        assert views.pool.has_nothing(uid(2))
        assert views.pool.is_free(GATEWAY, endpoint(603), 0.0)
        beyond = spec(603, 604).endpoints()
        assert views.pool.need_not_rest(beyond, uid(2)) == set(beyond)
        assert views.pool.used(GATEWAY) == 3

    def test_a_claim_that_grows_too_large_has_only_part(self, views):
        views.pool.open()
        views.record_changed(None, record(1, 600))
        views.record_changed(record(1, 600), record(1, 600, 601, 602, 603, 604))
        assert owners(views, 600, 602, 603) == [uid(1), uid(1), ""]
        assert not views.pool.has_nothing(uid(1))
        assert views.about_to_send(uid(1), [endpoint(604)]) is None

    def test_when_there_is_room_it_gets_what_it_asked_for(self, views, clock):
        views.pool.open()
        views.record_changed(None, record(1, 600, 601, 602))
        views.record_changed(None, record(2, 603))
        views.admit(uid(2))
        assert views.pool.has_nothing(uid(2))
        views.record_changed(record(1, 600, 601, 602), None)
        views.admit(uid(2))
        assert owners(views, 603) == [uid(2)]
        assert not views.pool.beyond(uid(2))

    def test_what_has_a_row_is_kept(self, views):
        views.pool.open()
        views.record_changed(None, record(1, 600, 601, 602))
        views.table(GATEWAY).merge(reading(1.0, row("fwd-1", "1.1.1.1:605", owner=uid(2))), 1.0)
        views.record_changed(None, record(2, 605, 606))
        assert owners(views, 605, 606) == [uid(2), ""]
        assert left(views) == 0

    def test_at_the_start_rows_come_first_then_the_older_ones(self, views):
        views.record_changed(None, record(1, 600, 601, created="2026-01-01T00:00:03Z"))
        views.record_changed(None, record(2, 602, 603, created="2026-01-01T00:00:02Z"))
        views.record_changed(None, record(3, 604, 605, created="2026-01-01T00:00:01Z"))
        assert owners(views, 600, 602, 604) == [uid(1), uid(2), uid(3)], "not all are known yet"
        views.table(GATEWAY).merge(reading(1.0, row("fwd-1", "1.1.1.1:600", owner=uid(1))), 1.0)
        views.pool.open()
        assert owners(views, 600, 601, 602, 603, 604, 605) == [uid(1), uid(1), "", "", uid(3), ""]
        assert views.quarantined() == {}, "and what is not theirs is free"

    def test_what_the_ledger_holds_for_a_parked_pod_is_kept(self, views):
        views.record_changed(None, record(1, 600, 601, 602, created="1"))
        views.record_changed(None, record(2, 603, created="2"))
        views.pool.proofs.hold(uid(2), [endpoint(603)])
        views.pool.open()
        assert owners(views, 600, 601, 602, 603) == [uid(1), uid(1), "", uid(2)]


def test_counting_does_not_take_longer_with_more_pods():
    """It is done under the lock that all threads share: steps are counted, not time."""
    counted = []
    for pods in (10, 1000):
        views = Views(MARKS, [offer()], QUARANTINE, FakeClock(), lambda _: 10_000)
        views.pool.open()
        for number in range(pods):
            views.record_changed(None, record(number, number + 1, created=str(number)))
        counted.append(steps(lambda views=views: (left(views), views.admit(uid(5)))))
    assert counted[0] == counted[1]


class TestTablesThatAreReadLater:
    """A gateway serves as soon as its own table is read: of the others it is not known who has
    rows there, and nobody loses any for that."""

    @pytest.fixture
    def views(self, clock: FakeClock) -> Views:
        views = Views(MARKS, [offer()], QUARANTINE, clock, {"games": LIMIT}.get)
        views.pool.describe(GATEWAY, [eip()], "")
        views.record_changed(None, record(1, 600, 601, 602, created="1"))
        views.record_changed(None, record(2, 603, created="2"))
        views.pool.open()
        return views

    def read(self, views: Views, *rows) -> None:
        views.table(GATEWAY).merge(reading(1.0, *rows), 1.0)
        views.pool.table_read(GATEWAY)

    def test_nothing_is_beyond_the_quota_until_it_is_known(self, views):
        assert owners(views, 602, 603) == [uid(1), uid(2)]
        assert left(views) == 0

    def test_then_rows_come_first(self, views):
        self.read(views, row("fwd-1", "1.1.1.1:603", owner=uid(2)))
        assert owners(views, 601, 602, 603) == [uid(1), "", uid(2)]

    def test_all_that_has_rows_is_kept(self, views):
        claimed = ((600, 1), (601, 1), (602, 1), (603, 2))
        self.read(
            views,
            *(row(f"fwd-{port}", f"1.1.1.1:{port}", owner=uid(n)) for port, n in claimed),
        )
        assert owners(views, 602, 603) == [uid(1), uid(2)]

    def test_what_was_offered_before_the_start_is_proven_then(self, clock):
        views = Views(MARKS, [offer(ports="700/709")], QUARANTINE, clock)
        views.pool.describe(GATEWAY, [eip()], "")
        views.record_changed(None, record(1, 600))
        views.pool.open()
        self.read(views, row("fwd-1", "1.1.1.1:600", owner=uid(1)))
        assert views.pool.contains(GATEWAY, endpoint(600))

    def test_a_gateway_that_somebody_invents_proves_nothing(self, clock):
        views = Views(MARKS, [offer()], QUARANTINE, clock, {"games": LIMIT}.get)
        invented = replace(spec(600, 601, 602, 603), gateway_id="ngw-invented")
        views.record_changed(None, replace(record(1), spec=invented))
        views.pool.open()
        assert owners(views, 602, 603) == [uid(1), ""]
