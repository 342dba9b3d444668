"""The shared views: whose a row is, whom a change concerns, who waits for what."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from dnatctl.control.handover import encode
from dnatctl.control.world import Counts, World
from dnatctl.model import Endpoint, GatewayEip
from dnatctl.objects import FINALIZER, Key, Pod, PodDNAT, PodDNATSpec
from dnatctl.table.view import Change
from tests.support.clock import FakeClock
from tests.unit.pool.made import demand, eip, endpoint, offer, spec
from tests.unit.table.made import GATEWAY, MARKS, TCP, reading, row, uid

LOBBY = Key("games", "lobby-0")
ARENA = Key("games", "arena-0")
QUARANTINE = 60.0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def world(clock: FakeClock) -> World:
    world = World(MARKS, [offer()], QUARANTINE, clock)
    world.pool.describe(GATEWAY, [eip()], "")
    return world


def record(number: int, key: Key = LOBBY, claim: PodDNATSpec | None = None) -> PodDNAT:
    return PodDNAT(key, uid(number), "1", created=f"{number}", spec=claim or spec(600))


def pod(key: Key, *ips: str) -> Pod:
    return Pod(key, f"uid-{key}", "1", {}, ips=ips)


def counted(world: World, namespace: str) -> int:
    """Endpoints that the namespace claims."""
    return world.pool.use_of_quota(namespace, 0.0)[1]


def seen(world: World, *rows, at: float = 0.0) -> list[Change]:
    return world.table(GATEWAY).merge(reading(at, *rows), at)


class TestRows:
    def test_a_table_is_made_on_first_use(self, world):
        assert world.tables == {}
        table = world.table("ngw-7")
        assert world.table("ngw-7") is table
        assert table.gateway_id == "ngw-7"

    def test_a_row_belongs_to_whom_its_mark_names(self, world):
        assert world.owner_of(row("fwd-1", owner=uid(1))) == uid(1)
        assert world.owner_of(row("fwd-1")) == ""

    def test_or_to_whom_the_ledger_names(self, world):
        seen(world, row("fwd-1"))
        world.adopt({"fwd-1": uid(5), "fwd-9": uid(6)})
        assert [r.entry.entry_id for r in world.table(GATEWAY).owned_by(uid(5))] == ["fwd-1"]
        assert world.owner_of(row("fwd-9")) == uid(6), "known before it is read"

    def test_a_mark_counts_more_than_the_ledger(self, world):
        world.adopt({"fwd-1": uid(5)})
        assert world.owner_of(row("fwd-1", owner=uid(1))) == uid(1)

    def test_rows_that_are_gone_are_adopted_no_more(self, world):
        world.adopt({"fwd-1": uid(5)})
        assert world.disown(["fwd-1", "fwd-2"]) == ["fwd-1"]
        assert world.disown(["fwd-1"]) == []
        assert world.owner_of(row("fwd-1")) == ""

    def test_what_an_orphan_held_rests_when_its_row_is_gone(self, world):
        seen(world, row("fwd-1", owner=uid(9)), row("fwd-2", "1.1.1.1:601", "10.0.0.2:80"))
        seen(world, at=1.0)
        seen(world, at=1.2)
        assert set(world.quarantined()) == {endpoint(600)}, "what was foreign is no concern"

    def test_counting_by_owner(self, world):
        world.record_changed(None, record(1))
        seen(
            world,
            row("fwd-1", owner=uid(1)),
            row("fwd-2", "1.1.1.1:601", "10.0.0.2:80", owner=uid(2)),
            row("fwd-3", "1.1.1.1:602", "10.0.0.3:80"),
            row("fwd-4", "1.1.1.1:603", "10.0.0.4:80"),
        )
        assert world.counts(GATEWAY) == Counts(own=1, foreign=2, orphan=1)
        assert world.counts("ngw-9") == Counts(0, 0, 0)


class TestPods:
    def test_pods_are_found_by_their_addresses(self, world):
        dual = pod(LOBBY, "10.0.0.1", "fd00::1")
        world.pod_changed(None, dual)
        assert world.keys_at("10.0.0.1") == world.keys_at("fd00::1") == {LOBBY}
        moved = pod(LOBBY, "10.0.0.2")
        world.pod_changed(dual, moved)
        assert (world.keys_at("10.0.0.1"), world.keys_at("10.0.0.2")) == (set(), {LOBBY})
        world.pod_changed(moved, None)
        assert world.keys_at("10.0.0.2") == set()

    def test_an_address_may_be_anothers_before_the_first_is_gone(self, world):
        old, new = pod(LOBBY, "10.0.0.1"), pod(ARENA, "10.0.0.1")
        world.pod_changed(None, old)
        world.pod_changed(None, new)
        assert world.keys_at("10.0.0.1") == {LOBBY, ARENA}
        world.pod_changed(old, None)
        assert world.keys_at("10.0.0.1") == {ARENA}

    def test_what_is_handed_out_is_a_copy(self, world):
        world.pod_changed(None, pod(LOBBY, "10.0.0.1"))
        world.keys_at("10.0.0.1").clear()
        assert world.keys_at("10.0.0.1") == {LOBBY}


class TestRecords:
    def test_a_record_is_a_claim(self, world):
        assert world.record_changed(None, record(1)) is False
        assert world.key_of(uid(1)) == LOBBY
        assert counted(world, "games") == 1
        assert world.pool.owner(endpoint(600)) == uid(1)

    def test_changing_it_may_free_something(self, world):
        world.record_changed(None, record(1))
        assert world.record_changed(record(1), record(1)) is False
        assert world.record_changed(record(1), record(1, claim=spec(601))) is True
        assert world.pool.owner(endpoint(600)) == ""
        assert set(world.quarantined()) == {endpoint(600)}

    def test_its_end_frees_what_it_claimed(self, world):
        world.record_changed(None, record(1))
        assert world.record_changed(record(1), None) is True
        assert world.key_of(uid(1)) is None
        assert counted(world, "games") == 0
        assert dict(world.pool.claims()) == {}

    def test_a_finalizer_of_others_does_not_keep_the_endpoints(self, world):
        world.record_changed(None, record(1))
        held = replace(record(1), deleting=True, finalizers=("someone/else",))
        assert world.record_changed(record(1), held) is True
        assert world.pool.owner(endpoint(600)) == ""
        ours = replace(held, finalizers=(FINALIZER,))
        world.record_changed(held, ours)
        assert world.pool.owner(endpoint(600)) == uid(1)

    def test_the_end_of_what_was_never_known_frees_nothing(self, world):
        assert world.record_changed(None, None) is False
        assert world.record_changed(record(1), None) is False

    def test_namespaces_are_counted_apart(self, world):
        world.record_changed(None, record(1))
        world.record_changed(None, record(2, ARENA, spec(601)))
        world.record_changed(None, record(3, Key("other", "x"), spec(602)))
        assert [counted(world, n) for n in ("games", "other", "none")] == [2, 1, 0]


class TestBeingCreated:
    """Between the decision and the stored PodDNAT, others count with the claim already."""

    def test_its_endpoints_are_taken_and_the_quota_is_used(self, world):
        world.begin_claim(LOBBY, spec(600))
        assert not world.pool.is_free(GATEWAY, endpoint(600), world.clock.monotonic())
        assert counted(world, "games") == 1

    def test_the_stored_claim_takes_its_place(self, world):
        world.begin_claim(LOBBY, spec(600))
        world.record_changed(None, record(1))
        world.end_claim(LOBBY)
        assert counted(world, "games") == 1
        assert world.pool.owner(endpoint(600)) == uid(1)
        assert world.quarantined() == {}

    def test_it_counts_once_although_it_is_heard_of_before_the_request_is_answered(self, world):
        world.begin_claim(LOBBY, spec(600))
        world.record_changed(None, record(1))
        assert (counted(world, "games"), world.pool.used(GATEWAY)) == (1, 1)

    def test_if_it_was_refused_the_endpoints_are_as_they_were(self, world):
        world.pool.open()
        line = world.pool.pick(demand(80, 81), 0.0)
        world.begin_claim(LOBBY, spec(600, 601))
        world.end_claim(LOBBY)
        assert counted(world, "games") == 0
        assert world.quarantined() == {}
        assert world.pool.pick(demand(80, 81), 0.0) == line, "where they were in the line"

    def test_in_doubt_they_stay_taken_and_rest_in_the_end(self, world):
        """The request may yet be carried out."""
        world.pool.open()
        world.begin_claim(LOBBY, spec(600))
        world.doubt_claim(LOBBY)
        assert world.asked(LOBBY) == spec(600)
        assert not world.pool.is_free(GATEWAY, endpoint(600), world.clock.monotonic())
        world.begin_claim(LOBBY, spec(600))
        assert world.quarantined() == {}, "asked for again"
        world.end_claim(LOBBY)
        assert world.asked(LOBBY) is None
        assert world.quarantined() == {endpoint(600): QUARANTINE}

    def test_other_endpoints_asked_for_instead_let_the_doubtful_ones_rest(self, world):
        world.pool.open()
        world.begin_claim(LOBBY, spec(600))
        world.doubt_claim(LOBBY)
        world.begin_claim(LOBBY, spec(601))
        assert world.quarantined() == {endpoint(600): QUARANTINE}

    def test_of_a_change_only_what_is_new_is_asked_for(self, world):
        world.pool.open()
        world.record_changed(None, record(1))
        world.begin_claim(LOBBY, spec(600, 601), held=spec(600))
        assert world.asked(LOBBY).endpoints() == (endpoint(601),)
        world.end_claim(LOBBY)
        assert world.pool.owner(endpoint(600)) == uid(1)
        assert world.quarantined() == {}

    def test_somebody_elses_poddnat_of_the_name_does_not_end_it(self, world):
        world.begin_claim(LOBBY, spec(605))
        world.record_changed(None, record(1))
        assert world.asked(LOBBY) == spec(605), "the answer tells"


class TestSending:
    """What was never asked of the cloud need not rest."""

    def test_only_what_was_sent_rests(self, world):
        world.pool.open()
        world.record_changed(None, record(1, claim=spec(600, 601)))
        assert world.about_to_send(uid(1), [endpoint(600)]) == {endpoint(600)}
        assert world.about_to_send(uid(1), [endpoint(600)]) == set()
        assert world.durable(spec(600, 601).endpoints(), uid(1)) == {endpoint(601)}
        world.record_changed(record(1, claim=spec(600, 601)), None)
        assert set(world.quarantined()) == {endpoint(600)}

    def test_nothing_is_sent_for_what_is_not_claimed(self, world):
        world.pool.open()
        world.record_changed(None, record(1))
        assert world.about_to_send(uid(1), [endpoint(600), endpoint(601)]) is None
        assert world.about_to_send(uid(2), [endpoint(600)]) is None

    def test_what_was_refused_for_certain_was_never_there(self, world):
        world.pool.open()
        world.record_changed(None, record(1))
        world.never_sent(world.about_to_send(uid(1), [endpoint(600)]))
        world.record_changed(record(1), None)
        assert world.quarantined() == {}

    def test_what_was_claimed_before_the_start_may_have_been_sent(self, world):
        world.record_changed(None, record(1))
        world.pool.open()
        world.record_changed(record(1), None)
        assert set(world.quarantined()) == {endpoint(600)}

    def test_what_had_a_row_rests_whoever_made_it(self, world):
        world.pool.open()
        world.record_changed(None, record(1))
        seen(world, row("fwd-1", owner=uid(1)))
        world.table(GATEWAY).gone("fwd-1", 1.0)
        world.record_changed(record(1), None)
        assert set(world.quarantined()) == {endpoint(600)}


class TestConcerned:
    def test_a_change_concerns_the_owner_and_the_pods_at_the_address(self, world):
        world.record_changed(None, record(1))
        world.pod_changed(None, pod(ARENA, "10.0.0.9"))
        mine = row("fwd-1", owner=uid(1), internal="10.0.0.1:80")
        assert world.keys_for(seen(world, mine)) == {LOBBY}
        foreign = row("fwd-1", internal="10.0.0.9:80")
        assert world.keys_for(seen(world, foreign, at=1.0)) == {LOBBY, ARENA}
        seen(world, at=2.0)
        assert world.keys_for(seen(world, at=2.2)) == {ARENA}, "its way is free"

    def test_and_nobody_else(self, world):
        world.pod_changed(None, pod(LOBBY, "10.0.0.1"))
        assert world.keys_for(seen(world, row("fwd-1", internal="10.0.0.7:80"))) == set()


class TestWaiting:
    def test_for_a_reading_of_one_table(self, world):
        world.wait_for_reading("ngw-1", LOBBY)
        world.wait_for_reading("ngw-2", ARENA)
        assert world.reading_done("ngw-1") == {LOBBY}
        assert world.reading_done("ngw-1") == set()
        assert world.reading_done("ngw-2") == {ARENA}


def note(*endpoints: Endpoint) -> str:
    """What the Lease says of these."""
    return encode(dict.fromkeys(endpoints, QUARANTINE))


class TestRetired:
    """An endpoint is let go of only when the next leader would know of its quarantine."""

    ENDPOINTS = (endpoint(600), endpoint(601))

    def test_begins_once(self, world, clock):
        assert world.retire(LOBBY, self.ENDPOINTS)
        clock.advance(10)
        assert not world.retire(LOBBY, self.ENDPOINTS)
        assert world.quarantined() == dict.fromkeys(self.ENDPOINTS, QUARANTINE - 10)

    def test_is_durable_when_noted(self, world):
        world.retire(LOBBY, self.ENDPOINTS)
        assert world.durable(self.ENDPOINTS) == frozenset()
        assert world.noted(note(endpoint(600))) == {LOBBY}
        assert world.durable(self.ENDPOINTS) == {endpoint(600)}
        assert world.noted(note(*self.ENDPOINTS)) == set(), "told once"
        assert world.durable(self.ENDPOINTS) == set(self.ENDPOINTS)

    def test_what_is_never_handed_out_need_not_rest(self, world):
        """A PodDNAT may claim anything: a port or an address that the pool does not have."""
        strange = [endpoint(7), endpoint(600, "x" * 300_000)]
        assert world.retire(LOBBY, strange)
        world.pool.describe(GATEWAY, [GatewayEip("1.1.1.1", usable=True)], "")
        strange.append(endpoint(600, "9.9.9.9"))
        assert world.retire(LOBBY, strange)
        assert world.durable(strange) == set(strange)
        odd = record(1, claim=replace(spec(600), external_ip="9.9.9.9"))
        world.record_changed(None, odd)
        world.record_changed(odd, None)
        assert world.quarantined() == {}
        assert world.handover() == ""

    def test_what_the_last_leader_let_rest_goes_on_resting(self, world, clock):
        world.inherit(note(*self.ENDPOINTS), 10.0)
        assert world.quarantined() == dict.fromkeys(self.ENDPOINTS, QUARANTINE - 10)
        assert world.noted(world.handover()) == set()

    def test_no_longer_than_a_quarantine_whatever_somebody_wrote(self, world):
        world.inherit("1.1.1.1/tcp:600=999999", 0.0)
        assert world.quarantined() == {endpoint(600): QUARANTINE}

    @pytest.mark.parametrize(
        "text", ["*=7", ";".join(f"1.1.{n}.1/tcp:1-65535=7" for n in range(2000))]
    )
    def test_where_it_is_not_told_what_rests_all_does(self, world, clock, text):
        world.pool.open()
        world.inherit(text, 0.0)
        assert world.pool.rests(endpoint(600), clock.monotonic())
        clock.advance(7)
        assert not world.pool.rests(endpoint(600), clock.monotonic())

    def test_or_when_it_is_over_anyway(self, world, clock):
        world.retire(LOBBY, self.ENDPOINTS)
        clock.advance(QUARANTINE)
        assert world.durable(self.ENDPOINTS) == set(self.ENDPOINTS)

    def test_what_was_not_retired_is_not(self, world):
        world.noted(note(*self.ENDPOINTS))
        assert world.durable(self.ENDPOINTS) == frozenset()

    def test_what_is_anothers_need_not_rest(self, world):
        """Who lost it to another PodDNAT has no right to have it rest, nor need to wait."""
        world.record_changed(None, record(1))
        assert world.durable(self.ENDPOINTS, uid(2)) == {endpoint(600)}
        assert world.durable(self.ENDPOINTS, uid(1)) == frozenset()
        assert world.durable(self.ENDPOINTS) == frozenset()

    def test_a_note_of_an_earlier_quarantine_does_not_count(self, world):
        world.noted(note(endpoint(600)))
        world.retire(LOBBY, [endpoint(600)])
        assert world.durable([endpoint(600)]) == frozenset()

    def test_an_endpoint_that_was_let_go_of_begins_anew_next_time(self, world):
        for ended in (None, record(1, claim=PodDNATSpec(GATEWAY, "1.1.1.1"))):
            world.record_changed(None, record(1))
            world.retire(LOBBY, [endpoint(600)])
            world.noted(note(endpoint(600)))
            assert world.durable([endpoint(600)])
            world.record_changed(record(1), ended)
            assert world.durable([endpoint(600)]) == frozenset()
            assert world.retire(LOBBY, [endpoint(600)])
            world.noted("")
            world.record_changed(record(1), None)


def test_protocols_are_apart(world):
    world.record_changed(None, record(1))
    assert world.pool.owner(endpoint(600, protocol=TCP)) == uid(1)
    assert not world.durable([endpoint(600)])
