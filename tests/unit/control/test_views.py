"""The shared views: whose a row is, whom a change concerns, who waits for what."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from dnatctl.control.state.views import Counts, Views
from dnatctl.model import Endpoint, Gateway, GatewayEip
from dnatctl.objects import FINALIZER, Adopted, Key, Pod, PodDNAT, PodDNATSpec
from dnatctl.pool.handover import encode
from dnatctl.table.view import Change
from tests.support.clock import FakeClock
from tests.unit.pool.made import demand, eip, endpoint, offer, spec
from tests.unit.table.made import EIP, GATEWAY, MARKS, TCP, reading, row, uid

LOBBY = Key("games", "lobby-0")
ARENA = Key("games", "arena-0")
QUARANTINE = 60.0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def views(clock: FakeClock) -> Views:
    views = Views(MARKS, [offer()], QUARANTINE, clock)
    views.pool.describe(GATEWAY, [eip()], "")
    return views


def record(number: int, key: Key = LOBBY, claim: PodDNATSpec | None = None) -> PodDNAT:
    return PodDNAT(key, uid(number), "1", created=f"{number}", spec=claim or spec(600))


def pod(key: Key, *ips: str) -> Pod:
    return Pod(key, f"uid-{key}", "1", {}, ips=ips)


def counted(views: Views, namespace: str) -> int:
    """Endpoints that the namespace claims."""
    return views.pool.quotas.use(namespace, 0.0)[1]


def seen(views: Views, *rows, at: float = 0.0) -> list[Change]:
    return views.table(GATEWAY).merge(reading(at, *rows), at)


class TestRows:
    def test_a_table_is_made_on_first_use(self, views):
        assert views.tables == {}
        table = views.table("ngw-7")
        assert views.table("ngw-7") is table
        assert table.gateway_id == "ngw-7"

    def test_a_row_belongs_to_whom_its_mark_names(self, views):
        assert views.owner_of(row("fwd-1", owner=uid(1))) == uid(1)
        assert views.owner_of(row("fwd-1")) == ""

    def test_or_to_whom_the_ledger_names(self, views):
        seen(views, row("fwd-1"))
        views.adopt({"fwd-1": Adopted(uid(5)), "fwd-9": Adopted(uid(6))})
        assert [r.entry.entry_id for r in views.table(GATEWAY).owned_by(uid(5))] == ["fwd-1"]
        assert views.owner_of(row("fwd-9")) == uid(6), "known before it is read"

    def test_the_ledger_counts_more_than_a_mark(self, views):
        """The PodDNAT that a row was made for was lost, and its pod has another one."""
        seen(views, row("fwd-1", owner=uid(1)))
        views.adopt({"fwd-1": Adopted(uid(5))})
        assert views.owner_of(row("fwd-1", owner=uid(1))) == uid(5)
        assert views.table(GATEWAY).owned_by(uid(1)) == []

    def test_poddnats_that_go_before_their_rows_are_known_until_those_are_gone(self, views):
        views.saw_go(uid(1), "")
        views.saw_go(uid(2), "")
        assert views.going == {uid(1), uid(2)}
        going = views.going
        assert views.let_be([uid(1), uid(3)]) == {uid(1)}
        views.saw_go(uid(2), "")
        assert views.going is going, "not copied for each of thousands that go"
        assert views.going == {uid(2)}

    def test_rows_that_are_gone_are_adopted_no_more(self, views):
        views.adopt({"fwd-1": Adopted(uid(5))})
        assert views.disown(["fwd-1", "fwd-2"]) == ["fwd-1"]
        assert views.disown(["fwd-1"]) == []
        assert views.owner_of(row("fwd-1")) == ""

    def test_what_an_orphan_held_rests_when_its_row_is_gone(self, views):
        left = [row(f"fwd-{n}", f"1.1.1.1:{n}", f"10.0.0.{n - 600}:80") for n in (603, 604)]
        gone = row("fwd-1", owner=uid(9)), row("fwd-2", "1.1.1.1:601", "10.0.0.2:80")
        seen(views, *gone, *left)
        seen(views, *left, at=1.0)
        seen(views, *left, at=1.2)
        assert set(views.quarantined()) == {endpoint(600)}, "what was foreign is no concern"

    def test_counting_by_owner(self, views):
        views.record_changed(None, record(1))
        seen(
            views,
            row("fwd-1", owner=uid(1)),
            row("fwd-2", "1.1.1.1:601", "10.0.0.2:80", owner=uid(2)),
            row("fwd-3", "1.1.1.1:602", "10.0.0.3:80"),
            row("fwd-4", "1.1.1.1:603", "10.0.0.4:80"),
        )
        assert views.counts(GATEWAY) == Counts(own=1, foreign=2, orphan=1)
        assert views.counts("ngw-9") == Counts(0, 0, 0)


class TestPods:
    def test_pods_are_found_by_their_addresses(self, views):
        dual = pod(LOBBY, "10.0.0.1", "fd00::1")
        views.ips.pod_changed(None, dual)
        assert views.ips.keys_at("10.0.0.1") == views.ips.keys_at("fd00::1") == {LOBBY}
        moved = pod(LOBBY, "10.0.0.2")
        views.ips.pod_changed(dual, moved)
        assert (views.ips.keys_at("10.0.0.1"), views.ips.keys_at("10.0.0.2")) == (set(), {LOBBY})
        views.ips.pod_changed(moved, None)
        assert views.ips.keys_at("10.0.0.2") == set()

    def test_an_address_may_be_anothers_before_the_first_is_gone(self, views):
        old, new = pod(LOBBY, "10.0.0.1"), pod(ARENA, "10.0.0.1")
        views.ips.pod_changed(None, old)
        views.ips.pod_changed(None, new)
        assert views.ips.keys_at("10.0.0.1") == {LOBBY, ARENA}
        views.ips.pod_changed(old, None)
        assert views.ips.keys_at("10.0.0.1") == {ARENA}

    def test_what_is_handed_out_is_a_copy(self, views):
        views.ips.pod_changed(None, pod(LOBBY, "10.0.0.1"))
        views.ips.keys_at("10.0.0.1").clear()
        assert views.ips.keys_at("10.0.0.1") == {LOBBY}


class TestRecords:
    def test_a_record_is_a_claim(self, views):
        assert views.record_changed(None, record(1)) is False
        assert views.records.key_of(uid(1)) == LOBBY
        assert counted(views, "games") == 1
        assert views.pool.owner(endpoint(600)) == uid(1)

    def test_changing_it_may_free_something(self, views):
        views.record_changed(None, record(1))
        assert views.record_changed(record(1), record(1)) is False
        assert views.record_changed(record(1), record(1, claim=spec(601))) is True
        assert views.pool.owner(endpoint(600)) == ""
        assert set(views.quarantined()) == {endpoint(600)}

    def test_its_end_frees_what_it_claimed(self, views):
        views.record_changed(None, record(1))
        assert views.record_changed(record(1), None) is True
        assert views.records.key_of(uid(1)) is None
        assert counted(views, "games") == 0
        assert dict(views.pool.claims()) == {}

    def test_a_finalizer_of_others_does_not_keep_the_endpoints(self, views):
        views.record_changed(None, record(1))
        held = replace(record(1), deleting=True, finalizers=("someone/else",))
        assert views.record_changed(record(1), held) is True
        assert views.pool.owner(endpoint(600)) == ""
        ours = replace(held, finalizers=(FINALIZER,))
        views.record_changed(held, ours)
        assert views.pool.owner(endpoint(600)) == uid(1)

    def test_the_end_of_what_was_never_known_frees_nothing(self, views):
        assert views.record_changed(None, None) is False
        assert views.record_changed(record(1), None) is False

    def test_namespaces_are_counted_apart(self, views):
        views.record_changed(None, record(1))
        views.record_changed(None, record(2, ARENA, spec(601)))
        views.record_changed(None, record(3, Key("other", "x"), spec(602)))
        assert [counted(views, n) for n in ("games", "other", "none")] == [2, 1, 0]


class TestBeingCreated:
    """Between the decision and the stored PodDNAT, others count with the claim already."""

    def test_its_endpoints_are_taken_and_the_quota_is_used(self, views):
        views.begin_claim(LOBBY, spec(600))
        assert not views.pool.is_free(GATEWAY, endpoint(600), views.clock.monotonic())
        assert counted(views, "games") == 1

    def test_the_stored_claim_takes_its_place(self, views):
        views.begin_claim(LOBBY, spec(600))
        views.record_changed(None, record(1))
        views.end_claim(LOBBY)
        assert counted(views, "games") == 1
        assert views.pool.owner(endpoint(600)) == uid(1)
        assert views.quarantined() == {}

    def test_it_counts_once_although_it_is_heard_of_before_the_request_is_answered(self, views):
        views.begin_claim(LOBBY, spec(600))
        views.record_changed(None, record(1))
        assert (counted(views, "games"), views.pool.used(GATEWAY)) == (1, 1)

    def test_if_it_was_refused_the_endpoints_are_as_they_were(self, views):
        views.pool.open()
        line = views.pool.pick(demand(80, 81), 0.0)
        views.begin_claim(LOBBY, spec(600, 601))
        views.end_claim(LOBBY)
        assert counted(views, "games") == 0
        assert views.quarantined() == {}
        assert views.pool.pick(demand(80, 81), 0.0) == line, "where they were in the line"

    def test_in_doubt_they_stay_taken_and_rest_in_the_end(self, views):
        """The request may yet be carried out."""
        views.pool.open()
        views.begin_claim(LOBBY, spec(600))
        views.doubt_claim(LOBBY)
        assert views.asked(LOBBY) == spec(600)
        assert not views.pool.is_free(GATEWAY, endpoint(600), views.clock.monotonic())
        views.begin_claim(LOBBY, spec(600))
        assert views.quarantined() == {}, "asked for again"
        views.end_claim(LOBBY)
        assert views.asked(LOBBY) is None
        assert views.quarantined() == {endpoint(600): QUARANTINE}

    def test_other_endpoints_asked_for_instead_let_the_doubtful_ones_rest(self, views):
        views.pool.open()
        views.begin_claim(LOBBY, spec(600))
        views.doubt_claim(LOBBY)
        views.begin_claim(LOBBY, spec(601))
        assert views.quarantined() == {endpoint(600): QUARANTINE}

    def test_of_a_change_only_what_is_new_is_asked_for(self, views):
        views.pool.open()
        views.record_changed(None, record(1))
        views.begin_claim(LOBBY, spec(600, 601), held=spec(600))
        assert views.asked(LOBBY).endpoints() == (endpoint(601),)
        views.end_claim(LOBBY)
        assert views.pool.owner(endpoint(600)) == uid(1)
        assert views.quarantined() == {}

    def test_somebody_elses_poddnat_of_the_name_does_not_end_it(self, views):
        views.begin_claim(LOBBY, spec(605))
        views.record_changed(None, record(1))
        assert views.asked(LOBBY) == spec(605), "the answer tells"


class TestSending:
    """What was never asked of the cloud need not rest."""

    def test_only_what_was_sent_rests(self, views):
        views.pool.open()
        views.record_changed(None, record(1, claim=spec(600, 601)))
        assert views.about_to_send(uid(1), [endpoint(600)]) == {endpoint(600)}
        assert views.about_to_send(uid(1), [endpoint(600)]) == set()
        assert views.pool.need_not_rest(spec(600, 601).endpoints(), uid(1)) == {endpoint(601)}
        views.record_changed(record(1, claim=spec(600, 601)), None)
        assert set(views.quarantined()) == {endpoint(600)}

    def test_nothing_is_sent_for_what_is_not_claimed(self, views):
        views.pool.open()
        views.record_changed(None, record(1))
        assert views.about_to_send(uid(1), [endpoint(600), endpoint(601)]) is None
        assert views.about_to_send(uid(2), [endpoint(600)]) is None

    def test_what_was_refused_for_certain_was_never_there(self, views):
        views.pool.open()
        views.record_changed(None, record(1))
        views.never_sent(views.about_to_send(uid(1), [endpoint(600)]))
        views.record_changed(record(1), None)
        assert views.quarantined() == {}

    def test_what_was_claimed_before_the_start_may_have_been_sent(self, views):
        views.record_changed(None, record(1))
        views.pool.open()
        views.record_changed(record(1), None)
        assert set(views.quarantined()) == {endpoint(600)}

    def test_what_had_a_row_rests_whoever_made_it(self, views):
        views.pool.open()
        views.record_changed(None, record(1))
        seen(views, row("fwd-1", owner=uid(1)))
        views.table(GATEWAY).gone("fwd-1", 1.0)
        views.record_changed(record(1), None)
        assert set(views.quarantined()) == {endpoint(600)}


class TestConcerned:
    def test_a_change_concerns_the_owner_and_the_pods_at_the_address(self, views):
        views.record_changed(None, record(1))
        views.ips.pod_changed(None, pod(ARENA, "10.0.0.9"))
        mine = row("fwd-1", owner=uid(1), internal="10.0.0.1:80")
        assert views.keys_for(seen(views, mine)) == {LOBBY}
        foreign = row("fwd-1", internal="10.0.0.9:80")
        assert views.keys_for(seen(views, foreign, at=1.0)) == {LOBBY, ARENA}
        seen(views, at=2.0)
        assert views.keys_for(seen(views, at=2.2)) == {ARENA}, "its way is free"

    def test_and_nobody_else(self, views):
        views.ips.pod_changed(None, pod(LOBBY, "10.0.0.1"))
        assert views.keys_for(seen(views, row("fwd-1", internal="10.0.0.7:80"))) == set()


class TestWaiting:
    def test_for_a_reading_of_one_table(self, views):
        views.wait_for_reading("ngw-1", LOBBY)
        views.wait_for_reading("ngw-2", ARENA)
        assert views.reading_done("ngw-1") == {LOBBY}
        assert views.reading_done("ngw-1") == set()
        assert views.reading_done("ngw-2") == {ARENA}


def note(*endpoints: Endpoint) -> str:
    """What the Lease says of these."""
    return encode(dict.fromkeys(endpoints, QUARANTINE))


class TestRetired:
    """An endpoint is let go of only when the next leader would know of its quarantine."""

    ENDPOINTS = (endpoint(600), endpoint(601))

    def test_begins_once(self, views, clock):
        assert views.retire(LOBBY, self.ENDPOINTS)
        clock.advance(10)
        assert not views.retire(LOBBY, self.ENDPOINTS)
        assert views.quarantined() == dict.fromkeys(self.ENDPOINTS, QUARANTINE - 10)

    def test_is_durable_when_noted(self, views):
        views.retire(LOBBY, self.ENDPOINTS)
        assert views.durable(self.ENDPOINTS) == frozenset()
        assert views.noted(note(endpoint(600))) == {LOBBY}
        assert views.durable(self.ENDPOINTS) == {endpoint(600)}
        assert views.noted(note(*self.ENDPOINTS)) == set(), "told once"
        assert views.durable(self.ENDPOINTS) == set(self.ENDPOINTS)

    def test_what_is_never_handed_out_need_not_rest(self, views):
        """A PodDNAT may claim anything: a port or an address that the pool does not have."""
        strange = [endpoint(7), endpoint(600, "x" * 300_000)]
        assert views.retire(LOBBY, strange)
        views.pool.describe(GATEWAY, [GatewayEip("1.1.1.1", usable=True)], "")
        strange.append(endpoint(600, "9.9.9.9"))
        assert views.retire(LOBBY, strange)
        assert views.durable(strange) == set(strange)
        odd = record(1, claim=replace(spec(600), external_ip="9.9.9.9"))
        views.record_changed(None, odd)
        views.record_changed(odd, None)
        assert views.quarantined() == {}
        assert views.handover() == ""

    def test_what_the_last_leader_let_rest_goes_on_resting(self, views, clock):
        views.inherit(note(*self.ENDPOINTS), 10.0)
        assert views.quarantined() == dict.fromkeys(self.ENDPOINTS, QUARANTINE - 10)
        assert views.noted(views.handover()) == set()

    def test_no_longer_than_a_quarantine_whatever_somebody_wrote(self, views):
        views.inherit("1.1.1.1/tcp:600=999999", 0.0)
        assert views.quarantined() == {endpoint(600): QUARANTINE}

    @pytest.mark.parametrize(
        "text", ["*=7", ";".join(f"1.1.{n}.1/tcp:1-65535=7" for n in range(2000))]
    )
    def test_where_it_is_not_told_what_rests_all_does(self, views, clock, text):
        views.pool.open()
        views.inherit(text, 0.0)
        assert views.pool.rests(endpoint(600), clock.monotonic())
        clock.advance(7)
        assert not views.pool.rests(endpoint(600), clock.monotonic())

    def test_or_when_it_is_over_anyway(self, views, clock):
        views.retire(LOBBY, self.ENDPOINTS)
        clock.advance(QUARANTINE)
        assert views.durable(self.ENDPOINTS) == set(self.ENDPOINTS)

    def test_what_was_not_retired_is_not(self, views):
        views.noted(note(*self.ENDPOINTS))
        assert views.durable(self.ENDPOINTS) == frozenset()

    def test_what_is_anothers_need_not_rest(self, views):
        """Who lost it to another PodDNAT has no right to have it rest, nor need to wait."""
        views.record_changed(None, record(1))
        assert views.pool.need_not_rest(self.ENDPOINTS, uid(2)) == {endpoint(600)}
        assert views.pool.need_not_rest(self.ENDPOINTS, uid(1)) == frozenset()
        assert views.durable(self.ENDPOINTS) == frozenset()

    def test_a_note_of_an_earlier_quarantine_does_not_count(self, views):
        views.noted(note(endpoint(600)))
        views.retire(LOBBY, [endpoint(600)])
        assert views.durable([endpoint(600)]) == frozenset()

    def test_an_endpoint_that_was_let_go_of_begins_anew_next_time(self, views):
        for ended in (None, record(1, claim=PodDNATSpec(GATEWAY, "1.1.1.1"))):
            views.record_changed(None, record(1))
            views.retire(LOBBY, [endpoint(600)])
            views.noted(note(endpoint(600)))
            assert views.durable([endpoint(600)])
            views.record_changed(record(1), ended)
            assert views.durable([endpoint(600)]) == frozenset()
            assert views.retire(LOBBY, [endpoint(600)])
            views.noted("")
            views.record_changed(record(1), None)


def test_protocols_are_apart(views):
    views.record_changed(None, record(1))
    assert views.pool.owner(endpoint(600, protocol=TCP)) == uid(1)
    assert not views.durable([endpoint(600)])


class TestWhatIsNamedByOthers:
    """Anybody may write somebody else's endpoint into a PodDNAT, and take it out again."""

    def test_it_is_not_let_go_of_with_that_poddnat(self, views):
        views.pool.open()
        owner, forged = record(1), record(2, ARENA)
        views.record_changed(None, owner)
        views.pool.use(owner.spec.endpoints())
        assert views.retire(LOBBY, owner.spec.endpoints())
        for _ in range(3):
            views.record_changed(None, forged)
            views.record_changed(forged, replace(forged, spec=spec(601)))
            views.record_changed(replace(forged, spec=spec(601)), forged)
            views.record_changed(forged, None)
        assert not views.retire(LOBBY, owner.spec.endpoints()), "it rests since it was retired"

    def test_but_with_its_owner(self, views):
        views.pool.open()
        owner = record(1)
        views.record_changed(None, owner)
        views.pool.use(owner.spec.endpoints())
        assert views.retire(LOBBY, owner.spec.endpoints())
        views.record_changed(owner, None)
        later = record(3)
        views.record_changed(None, later)
        views.pool.use(later.spec.endpoints())
        assert views.retire(LOBBY, later.spec.endpoints())


def test_what_was_adopted_stays_its_own_though_it_was_never_offered(views, clock):
    """A fixed pod that is away for a while comes back to it."""
    views.pool.open()
    foreign = row("fwd-1", "1.1.1.1:9000")
    views.table(GATEWAY).merge(reading(clock.monotonic(), foreign), clock.monotonic())
    adopting = record(1, claim=spec(9000))
    views.record_changed(None, adopting)
    (there,) = adopting.spec.endpoints()
    assert not views.pool.contains(GATEWAY, there)
    views.adopt({"fwd-1": Adopted(adopting.uid)})
    assert views.pool.contains(GATEWAY, there)


class TestOutages:
    """What a claim says of a gateway counts where there is something to it."""

    DARK = Gateway(GATEWAY, "ftb-1", "zone", "vpc-1", (GatewayEip("2.2.2.2", usable=True),))

    @pytest.mark.parametrize(
        ("rows", "asked_again"),
        [
            (None, True),
            ((), False),
            ((row("fwd-1", f"{EIP}:600"),), False),
            ((row("fwd-1", f"{EIP}:600", owner=uid(7)),), True),
        ],
        ids=["not read", "none", "somebody else's", "ours"],
    )
    def test_only_an_ip_with_rows_of_ours_is_looked_at_again_soon(self, views, rows, asked_again):
        views.record_changed(None, record(1))
        if rows is not None:
            views.table(GATEWAY).merge(reading(0.0, *rows), 0.0)
        views.take_outages(self.DARK)
        assert views.outages.suspected(GATEWAY) == asked_again
        assert views.take_outages(self.DARK), "told to who claims it in any case"
        assert "is not bound" in views.outage(spec(600))
