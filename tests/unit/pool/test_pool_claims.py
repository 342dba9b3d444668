"""Claims, quarantine, and what the pool knows of gateways."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from dnatctl.model import USUAL_PORTS, EntryStatus, ForwardEntry, PortRange
from dnatctl.objects import PodDNATSpec, PortMapping
from dnatctl.pool import Pool, Shortage, Target, rows_of
from dnatctl.pool.claims import Claim, Claims
from dnatctl.pool.handover import Resting
from dnatctl.pool.quarantine import Quarantine
from dnatctl.table.view import Table
from tests.support.memory import weighed
from tests.unit.pool.made import (
    QUARANTINE,
    demand,
    eip,
    endpoint,
    offer,
    pool_of,
    resting,
    spec,
    take,
)
from tests.unit.table.made import EIP, GATEWAY, TCP, UDP, row, uid, view

AVAILABLE = EntryStatus.AVAILABLE
PORTS = st.integers(600, 602)


class TestClaims:
    def test_a_claim_is_known_by_its_poddnat(self):
        pool = pool_of()
        pool.claim("a", "", spec(600, 601), 0.0)
        assert dict(pool.claims()) == {"a": spec(600, 601)}
        assert pool.owner(endpoint(601)) == "a"
        assert pool.owner(endpoint(602)) == ""

    def test_a_changed_claim_frees_what_it_left(self):
        pool = pool_of()
        pool.claim("a", "", spec(600, 601), 0.0)
        pool.claim("a", "", spec(601, 602), 5.0)
        assert [pool.owner(endpoint(p)) for p in (600, 601, 602)] == ["", "a", "a"]
        assert pool.quarantined(5.0) == {endpoint(600): QUARANTINE}
        assert pool.used(GATEWAY) == 2

    def test_wherever_it_is_in_the_claim(self):
        pool = pool_of()
        pool.claim("a", "", spec(600, 601, 602), 0.0)
        pool.claim("a", "", spec(600, 602), 5.0)
        assert [pool.owner(endpoint(p)) for p in (600, 601, 602)] == ["a", "", "a"]
        assert pool.quarantined(5.0) == {endpoint(601): QUARANTINE}

    def test_the_same_claim_again_changes_nothing(self):
        pool = pool_of()
        pool.claim("a", "", spec(600), 0.0)
        pool.claim("a", "", spec(600), 5.0)
        assert (pool.used(GATEWAY), pool.quarantined(5.0)) == (1, {})

    def test_a_claim_moves_to_another_gateway(self):
        pool = pool_of(offer("ngw-1"), offer("ngw-2"))
        pool.claim("a", "", spec(600, 601), 0.0)
        pool.claim("a", "", spec(605, ip="2.2.2.2", gateway_id="ngw-2"), 1.0)
        assert (pool.used("ngw-1"), pool.used("ngw-2")) == (0, 1)
        assert set(pool.quarantined(1.0)) == {endpoint(600), endpoint(601)}

    def test_the_ips_that_are_claimed_of_a_gateway_are_known(self):
        pool = pool_of(offer("ngw-1"), offer("ngw-2"))
        pool.claim("a", "", spec(600), 0.0)
        pool.claim("b", "", spec(601), 0.0)
        pool.claim("b", "", spec(605, ip="2.2.2.2", gateway_id="ngw-2"), 1.0)
        assert (pool.claimed_ips("ngw-1"), pool.claimed_ips("ngw-2")) == ([EIP], ["2.2.2.2"])
        pool.unclaim("a", 2.0)
        assert (pool.claimed_ips("ngw-1"), pool.claimed_ips("ngw-2")) == ([], ["2.2.2.2"])

    def test_letting_go_says_whether_there_was_anything(self):
        pool = pool_of()
        pool.claim("a", "", spec(600), 0.0)
        pool.claim("b", "", PodDNATSpec(), 0.0)
        assert pool.unclaim("a", 0.0)
        assert not pool.unclaim("a", 0.0)
        assert not pool.unclaim("b", 0.0)
        assert dict(pool.claims()) == {}
        assert pool.used(GATEWAY) == 0

    def test_ports_go_on_in_their_order_when_a_gateway_is_described_again(self):
        """What somebody used to connect to is given to another one as late as can be."""
        pool = pool_of()
        pool.claim("a", "", spec(600), 0.0)
        pool.unclaim("a", 0.0)
        pool.describe(GATEWAY, [eip()], "")
        assert take(pool, "b", 80, now=QUARANTINE) == [f"{EIP}:601/tcp"]

    def test_claims_outside_the_configuration_are_kept_in_mind(self):
        """They hold rows that are to be released some day."""
        pool = pool_of()
        pool.claim("a", "", spec(9, ip="9.9.9.9", gateway_id="ngw-9"), 0.0)
        assert pool.owner(endpoint(9, "9.9.9.9")) == "a"
        assert pool.used("ngw-9") == 1
        assert pool.claimed_gateways() == {"ngw-9"}
        assert pool.unclaim("a", 0.0)
        assert pool.used("ngw-9") == 0

    @pytest.mark.parametrize("described", [True, False])
    def test_of_ips_that_are_nobodys_nothing_is_kept(self, described):
        """Whoever may write PodDNATs may name any."""
        pool = pool_of(offer(ports="1024/65535"))
        if not described:
            pool = Pool([offer(ports="1024/65535")], {GATEWAY: view(gateway_id=GATEWAY)}, 60.0)
        with weighed() as weight:
            for number in range(20):
                pool.claim("a", "", spec(65535, ip=f"9.9.9.{number}"), 0.0)
                pool.unclaim("a", 0.0)
            pool.describe(GATEWAY, [eip(EIP)], "")
        assert weight.kept < 2_000_000, "a port of each is some 80 bytes"

    def test_nor_is_it_on_a_gateway_that_nobody_ever_describes(self):
        """A standby asks the cloud nothing, for months; others have no EIP."""
        pool = Pool([offer()], {GATEWAY: view(gateway_id=GATEWAY)}, QUARANTINE)
        with weighed() as weight:
            for n in range(1000):
                there = spec(609, ip=f"9.9.{n // 250}.{n % 250}")
                pool.claim("a", "", there, 2 * QUARANTINE * n)
        assert weight.kept < 100_000

    def test_what_was_claimed_before_its_ip_was_known_is_out_of_line_afterwards(self):
        pool = Pool([offer(ports="600/604")], {GATEWAY: view(gateway_id=GATEWAY)}, QUARANTINE)
        pool.claim("a", "", spec(602), 0.0)
        pool.describe(GATEWAY, [], "")
        pool.describe(GATEWAY, [eip()], "")
        given = [take(pool, name, 80)[0] for name in "bcde"]
        assert given == [f"{EIP}:{port}/tcp" for port in (603, 604, 600, 601)]

    def test_who_names_another_gateways_ip_keeps_no_port_of_it(self):
        offers, table = [offer(ports="600/600"), offer("ngw-2")], view(gateway_id=GATEWAY)
        pool = Pool(offers, {GATEWAY: table}, QUARANTINE)
        pool.claim("a", "", spec(600, gateway_id="ngw-2"), 0.0)
        pool.describe(GATEWAY, [eip()], "")
        pool.unclaim("a", 0.0)
        assert take(pool, "b", 80, now=QUARANTINE) == [f"{EIP}:600/tcp"]

    def test_what_one_claims_can_be_looked_up(self):
        pool = pool_of()
        pool.claim("a", "", spec(600), 0.0)
        assert pool.claim_of("a") == spec(600)
        assert pool.claim_of("b") is None

    def test_one_that_moves_to_another_ip_tries_it_for_others(self):
        pool = pool_of(eips={GATEWAY: [eip(), eip("2.2.2.2"), eip("3.3.3.3")]})
        pool.trust.accepted("b", GATEWAY, "3.3.3.3", 0.0)
        pool.claim("a", "", spec(600), 0.0)
        assert not pool.trust.is_scouted(GATEWAY, EIP, 0.0)
        pool.claim("a", "", spec(600, ip="2.2.2.2"), 1.0)
        assert pool.trust.is_scouted(GATEWAY, "2.2.2.2", 2.0)
        assert not pool.trust.is_scouted(GATEWAY, EIP, 2.0)

    def test_what_was_refused_to_it_is_forgotten_with_it(self):
        pool = pool_of()
        pool.claim("a", "", spec(600), 0.0)
        pool.trust.refused("a", GATEWAY, endpoint(600), "Some.New.Code", 0.0)
        pool.unclaim("a", 1.0)
        assert not pool.trust.spurns("a", endpoint(600))

    def test_a_claim_that_names_an_endpoint_twice_is_one_claim(self):
        pool = pool_of()
        twice = PodDNATSpec(
            GATEWAY, EIP, ports=(PortMapping(600, 80, TCP), PortMapping(600, 81, TCP))
        )
        pool.claim("a", "", twice, 0.0)
        assert pool.owner(endpoint(600)) == "a"
        assert pool.unclaim("a", 0.0)
        assert pool.owner(endpoint(600)) == ""


class TestCompetingClaims:
    """Two PodDNATs that claim one endpoint: by hand, or restored from a backup."""

    def test_the_older_one_stands(self):
        pool = pool_of()
        pool.claim("young", "2026-01-02T00:00:00Z", spec(600), 0.0)
        pool.claim("old", "2026-01-01T00:00:00Z", spec(600), 0.0)
        assert pool.owner(endpoint(600)) == "old"

    def test_of_the_same_age_always_the_same(self):
        for order in (("a", "b"), ("b", "a")):
            pool = pool_of()
            for name in order:
                pool.claim(name, "2026-01-01T00:00:00Z", spec(600), 0.0)
            assert pool.owner(endpoint(600)) == "a"

    @pytest.mark.parametrize("entry", ["1.1.1.1:600", "1.1.1.1:599/601"])
    def test_the_one_with_a_row_stands_whatever_its_age(self, entry):
        internal = "10.0.0.1:80" if "/" not in entry else "10.0.0.1:79/81"
        pool = pool_of(rows={GATEWAY: [row("fwd-1", entry, internal, owner=uid(2))]})
        pool.claim(uid(1), "2026-01-01T00:00:00Z", spec(600), 0.0)
        pool.claim(uid(2), "2026-01-02T00:00:00Z", spec(600), 0.0)
        assert pool.owner(endpoint(600)) == uid(2)

    def test_however_many_claim_it_each_table_is_asked_once(self, monkeypatch):
        """Anybody who may write PodDNATs may have a thousand name one endpoint."""
        asked = []
        covering = Table.covering
        monkeypatch.setattr(
            Table, "covering", lambda table, e: asked.append(table) or covering(table, e)
        )
        rows = {GATEWAY: [row("fwd-1", owner=uid(7))], "ngw-2": [row("fwd-2", owner=uid(8))]}
        pool = pool_of(offer(), offer("ngw-2"), rows=rows)
        for number in range(20):
            gateway_id = GATEWAY if number < 8 else "ngw-2"
            pool.claim(uid(number), f"{number:02}", spec(600, gateway_id=gateway_id), 0.0)
        asked.clear()
        assert pool.owner(endpoint(600)) == uid(7)
        assert sorted(table.gateway_id for table in asked) == [GATEWAY, "ngw-2"]

    def test_however_many_claim_it_few_are_compared(self, monkeypatch):
        """It is asked for each of the thousands, of each port, each time that they are looked at,
        while everybody else waits for the views."""
        compared = []
        since = Claims.since
        monkeypatch.setattr(
            Claims, "since", lambda all_, *of: compared.append(of) or since(all_, *of)
        )
        pool = pool_of(rows={GATEWAY: [row("fwd-1", owner=uid(7))]})
        for number in range(500):
            pool.claim(uid(number), f"{number:03}", spec(600, 601, 602), 0.0)
        pool.proofs.hold(uid(400), [endpoint(602)])
        pool.claim(uid(400), "400", spec(600, 601, 602), 0.0, leaving=True)
        compared.clear()
        owners = [pool.owner(endpoint(port)) for port in (600, 601, 602)]
        pool.unclaim(uid(0), 0.0)
        assert [*owners, pool.owner(endpoint(601))] == [uid(7), uid(0), uid(400), uid(1)]
        assert len(compared) < 100

    @given(
        st.integers(0, 20),
        st.lists(st.tuples(st.sampled_from("abcd"), st.sets(PORTS, max_size=3), st.booleans())),
    )
    def test_whatever_came_before_the_one_that_comes_first_has_it(self, opened, history):
        """Who it is does not rest on what was claimed, changed and let go of meanwhile."""
        pool, claimed = pool_of(), dict[str, dict[int, int]]()
        leaving = set[str]()
        for now, (name, ports, leaves) in enumerate(history, 1):
            if now == opened:
                pool.open()
            if not ports:
                pool.unclaim(name, 0.0)
                claimed.pop(name, None)
                leaving.discard(name)
                continue
            pool.claim(name, f"{name}'s", spec(*sorted(ports)), 0.0, leaving=leaves)
            leaving = leaving | {name} if leaves else leaving - {name}
            had, since = claimed.get(name, {}), now if 0 < opened <= now else 0
            claimed[name] = {port: had.get(port, since) for port in ports}
        for port in (600, 601, 602):
            by_age = sorted((c[port], n in leaving, n) for n, c in claimed.items() if port in c)
            assert pool.owner(endpoint(port)) == (by_age[0][2] if by_age else "")

    def test_once_open_who_claims_it_longest_has_it(self):
        """A claim can be written into an old PodDNAT at any time: its age says nothing then."""
        pool = pool_of()
        pool.claim("young", "2026-01-02T00:00:00Z", spec(600), 0.0)
        pool.open()
        pool.claim("old", "2026-01-01T00:00:00Z", spec(600, 601), 0.0)
        pool.claim("young", "2026-01-02T00:00:00Z", spec(600, 601), 1.0)
        assert pool.owner(endpoint(600)) == "young", "claimed before all that came later"
        assert pool.owner(endpoint(601)) == "old"

    def test_letting_go_and_claiming_again_begins_anew(self):
        pool = pool_of()
        pool.open()
        pool.claim("a", "1", spec(600), 0.0)
        pool.claim("b", "2", spec(600), 0.0)
        pool.claim("a", "1", spec(601), 0.0)
        pool.claim("a", "1", spec(600, 601), 0.0)
        assert pool.owner(endpoint(600)) == "b"

    def test_of_several_who_claims_more_keeps_its_place(self):
        pool = pool_of()
        pool.open()
        for name, created in (("c", "3"), ("b", "2"), ("a", "1")):
            pool.claim(name, created, spec(600), 0.0)
        pool.claim("b", "2", spec(600, 601), 0.0)
        assert pool.owner(endpoint(600)) == "c", "it has claimed it longest"

    def test_and_who_lets_go_leaves_the_others_theirs(self):
        pool = pool_of()
        pool.open()
        for name, created in (("c", "3"), ("b", "2"), ("a", "1")):
            pool.claim(name, created, spec(600), 0.0)
        pool.unclaim("b", 0.0)
        assert pool.owner(endpoint(600)) == "c"
        pool.unclaim("c", 0.0)
        assert pool.owner(endpoint(600)) == "a"

    def test_who_joins_several_with_an_older_claim_to_something_else_comes_last(self):
        pool = pool_of()
        pool.open()
        pool.claim("late", "1", spec(601), 0.0)
        for name in ("a", "b"):
            pool.claim(name, "2", spec(600), 0.0)
        pool.claim("late", "1", spec(600, 601), 0.0)
        owners = []
        while owner := pool.owner(endpoint(600)):
            owners.append(owner)
            pool.unclaim(owner, 0.0)
        assert owners == ["a", "b", "late"]

    def test_nothing_is_kept_of_a_claim_that_is_gone(self):
        """Else memory would grow with every pod there ever was."""
        claims = Claims()
        claims.open()
        claims.put(Claim("a", "1", spec(600), 1))
        assert claims.since("a", endpoint(600)) > 0
        claims.drop("a")
        assert claims.since("a", endpoint(600)) == 0

    def test_opening_twice_changes_nothing(self):
        pool = pool_of()
        pool.open()
        pool.claim("a", "2", spec(600), 0.0)
        pool.open()
        pool.claim("b", "1", spec(600), 0.0)
        assert pool.owner(endpoint(600)) == "a"

    def test_claims_of_a_gateway_without_a_table_rank_by_age(self):
        pool = pool_of()
        for name, created in (("b", "2026-01-01T00:00:00Z"), ("a", "2026-01-02T00:00:00Z")):
            pool.claim(name, created, spec(9, ip="9.9.9.9", gateway_id="ngw-9"), 0.0)
        assert pool.owner(endpoint(9, "9.9.9.9")) == "b"

    def test_when_one_lets_go_the_other_has_it(self):
        pool = pool_of()
        pool.claim("a", "1", spec(600), 0.0)
        pool.claim("b", "2", spec(600), 0.0)
        pool.unclaim("a", 0.0)
        assert pool.owner(endpoint(600)) == "b"
        assert pool.quarantined(0.0) == {}, "it is not free"
        pool.unclaim("b", 0.0)
        assert list(pool.quarantined(0.0)) == [endpoint(600)]


class TestHeld:
    """What was a PodDNAT's before, by the word of the ledger."""

    def test_it_is_told_whether_any_was_known(self):
        pool = pool_of()
        assert pool.proofs.hold("a", [endpoint(600)]) is False
        assert pool.proofs.hold("a", [endpoint(600), endpoint(601)]) is True

    def test_what_is_not_named_again_is_held_no_more(self):
        pool = pool_of()
        pool.proofs.hold("a", [endpoint(600), endpoint(601)])
        pool.proofs.hold("a", [endpoint(601)])
        assert not pool.proofs.holds("a", [endpoint(600)])
        assert pool.proofs.holds("a", [endpoint(601)])
        assert (*pool.proofs.holders(endpoint(600)), *pool.proofs.holders(endpoint(601))) == ("a",)
        pool.proofs.hold("a", [])
        assert not pool.proofs.holds("a", [endpoint(601)])

    def test_what_the_claim_lets_go_of_is_held_no_more(self):
        pool = pool_of()
        pool.claim("a", "a", spec(600, 601), 0.0)
        pool.proofs.hold("a", [endpoint(600), endpoint(601)])
        pool.claim("a", "a", replace(spec(600, 601), internal_ip="10.0.0.2"), 0.0)
        assert pool.proofs.holds("a", [endpoint(600), endpoint(601)])
        assert pool.proofs.lapsed == set()
        pool.claim("a", "a", spec(601, 602), 0.0)
        assert pool.proofs.held("a") == {endpoint(601)}
        assert pool.proofs.lapsed == {"a"}

    def test_of_one_that_goes_nothing_is_held_and_what_was_is_to_be_struck(self):
        pool = pool_of()
        for uid_ in "ab":
            pool.claim(uid_, uid_, spec(600), 0.0)
        pool.proofs.hold("a", [endpoint(600)])
        for uid_ in "ab":
            pool.unclaim(uid_, 0.0)
        assert not pool.proofs.held("a")
        assert pool.proofs.lapsed == {"a"}

    def test_of_two_that_claim_it_that_one_has_it(self):
        pool = pool_of()
        pool.proofs.hold("young", [endpoint(600)])
        pool.claim("old", "2026-01-01T00:00:00Z", spec(600), 0.0)
        pool.claim("young", "2026-01-02T00:00:00Z", spec(600), 0.0)
        assert pool.owner(endpoint(600)) == "young"

    def test_of_two_that_it_is_held_for_who_claims_it_longest_has_it(self):
        pool = pool_of()
        pool.open()
        for name, created in (("young", "2"), ("old", "1")):
            pool.proofs.hold(name, [endpoint(600)])
            pool.claim(name, created, spec(600), 0.0)
        assert pool.owner(endpoint(600)) == "young"


class TestUse:
    """What no row was ever made for is free at once; what one may have been made for rests."""

    def test_what_was_not_made_after_all_need_not_rest(self):
        pool = pool_of()
        pool.open()
        pool.claim("a", "", spec(600), 0.0)
        pool.use([endpoint(600)])
        assert not pool.is_unused(endpoint(600))
        pool.unuse([endpoint(600)])
        pool.unclaim("a", 0.0)
        assert pool.is_free(GATEWAY, endpoint(600), 0.0)

    def test_what_nobody_claims_is_nobodys_unused_one(self):
        pool = pool_of()
        pool.open()
        pool.claim("a", "", spec(600), 0.0)
        pool.unclaim("a", 0.0)
        assert not pool.is_unused(endpoint(600))

    def test_nothing_is_known_of_what_was_claimed_before_all_was(self):
        pool = pool_of()
        pool.claim("a", "", spec(600), 0.0)
        assert not pool.is_unused(endpoint(600))

    def test_what_was_never_used_is_handed_out_next(self):
        pool = pool_of()
        pool.open()
        assert take(pool, "a", 80, (80, UDP)) == ["1.1.1.1:600/tcp", "1.1.1.1:600/udp"]
        pool.unclaim("a", 0.0)
        assert take(pool, "b", 80, (80, UDP)) == ["1.1.1.1:600/tcp", "1.1.1.1:600/udp"]

    def test_the_next_who_claims_it_has_not_used_it(self):
        pool = pool_of()
        pool.open()
        pool.claim("a", "", spec(600), 0.0)
        pool.use([endpoint(600)])
        pool.unclaim("a", 0.0)
        pool.claim("b", "", spec(600), QUARANTINE)
        assert pool.is_unused(endpoint(600))

    def test_a_row_of_it_that_is_gone_was_one(self):
        pool = pool_of()
        pool.open()
        pool.claim("a", "", spec(600), 0.0)
        pool.vacate(row("fwd-1"), 0.0)
        assert not pool.is_unused(endpoint(600))


class TestQuarantine:
    def test_a_released_endpoint_rests(self):
        pool = pool_of(offer(ports="600/600"))
        take(pool, "a", 80)
        pool.unclaim("a", 100.0)
        assert not pool.is_free(GATEWAY, endpoint(600), 100.0 + QUARANTINE - 0.1)
        assert pool.is_free(GATEWAY, endpoint(600), 100.0 + QUARANTINE)

    def test_retiring_begins_it_before_the_claim_is_gone(self):
        pool = pool_of()
        pool.claim("a", "", spec(600), 0.0)
        pool.retire([endpoint(600)], 10.0)
        assert pool.quarantined(15.0) == {endpoint(600): QUARANTINE - 5.0}

    def test_a_claim_does_not_end_it(self):
        """Whoever may write PodDNATs could otherwise take over an endpoint that still rests."""
        pool = pool_of()
        pool.retire([endpoint(600)], 0.0)
        pool.claim("a", "", spec(600), 1.0)
        assert pool.rests(endpoint(600), 1.0)
        assert not pool.rests(endpoint(600), QUARANTINE)

    def test_what_a_row_of_an_orphan_leaves_rests(self):
        pool = pool_of()
        pool.claim("a", "", spec(601), 0.0)
        pool.vacate(row("fwd-1", "1.1.1.1:600/602", "10.0.0.1:80/82", protocol=UDP), 0.0)
        assert set(pool.quarantined(0.0)) == {endpoint(p, protocol=UDP) for p in (600, 601, 602)}
        pool.vacate(row("fwd-1", "1.1.1.1:601/602", "10.0.0.1:80/81"), 0.0)
        assert endpoint(601) not in pool.quarantined(0.0), "claimed"
        assert endpoint(602) in pool.quarantined(0.0)

    def test_and_nothing_beside_it(self):
        pool = pool_of()
        pool.vacate(row("fwd-1", "1.1.1.1:605/606", "10.0.0.1:80/81"), 0.0)
        assert set(pool.quarantined(0.0)) == {endpoint(605), endpoint(606)}

    def test_but_only_what_may_be_handed_out(self):
        """A row that somebody made as wide as all ports would fill the note for the next leader."""
        pool = pool_of()
        pool.vacate(row("fwd-1", "1.1.1.1:1/65535", "10.0.0.1:1/65535"), 0.0)
        assert set(pool.quarantined(0.0)) == {endpoint(p) for p in range(600, 610)}
        pool.vacate(row("fwd-1", "2.2.2.2:Any", "10.0.0.1:Any", protocol=None), 0.0)
        assert len(pool.quarantined(0.0)) == 10

    @pytest.mark.parametrize(("last", "resting"), [(730 + USUAL_PORTS - 1, USUAL_PORTS), (762, 0)])
    def test_of_what_is_not_offered_now_a_row_as_narrow_as_a_pods_leaves_all(self, last, resting):
        """It may have been offered to the pod, and may be again."""
        pool = pool_of()
        pool.vacate(row("fwd-1", f"1.1.1.1:730/{last}", f"10.0.0.1:730/{last}"), 0.0)
        assert len(pool.quarantined(0.0)) == resting

    def test_a_range_wider_than_all_ports_is_walked_no_further_than_the_pool(self):
        pool = pool_of()
        endless = ForwardEntry(
            "fwd-1", EIP, PortRange(1, 10**15), "10.0.0.1", PortRange(1, 1), TCP, "", AVAILABLE
        )
        pool.vacate(endless, 0.0)
        assert set(pool.quarantined(0.0)) == {endpoint(p) for p in range(600, 610)}

    def test_it_is_over_when_it_is_over(self):
        pool = pool_of()
        pool.retire([endpoint(600)], 0.0)
        pool.retire([endpoint(601)], 30.0)
        assert pool.quarantined(QUARANTINE) == {endpoint(601): 30.0}
        assert pool.quarantined(10 * QUARANTINE) == {}

    def test_by_ip_nothing_is_kept_of_what_is_over(self):
        quarantine = Quarantine(QUARANTINE)
        quarantine.begin(endpoint(600), 0.0)
        quarantine.begin(endpoint(601), 1.0)
        quarantine.begin(endpoint(600), 2.0)
        assert quarantine.ports(EIP, TCP) == {600: 2.0 + QUARANTINE, 601: 1.0 + QUARANTINE}
        assert quarantine.total(1.0 + QUARANTINE) == 1
        assert quarantine.ports(EIP, TCP) == {600: 2.0 + QUARANTINE}
        assert quarantine.total(2.0 + QUARANTINE) == 0
        assert quarantine.ports(EIP, TCP) == {}

    def test_what_is_over_is_forgotten_where_nobody_asks(self):
        """A replica that stands by for months is asked by nobody."""
        quarantine = Quarantine(QUARANTINE)
        with weighed() as weight:
            for second in range(20_000):
                quarantine.begin(endpoint(600 + second % 10), float(second))
        assert weight.kept < 100_000

    def test_when_the_next_is_over_is_known(self):
        pool = pool_of()
        pool.retire([endpoint(600)], 0.0)
        pool.retire([endpoint(601)], 30.0)
        assert pool.next_rested(10.0) == QUARANTINE - 10.0
        assert pool.next_rested(QUARANTINE) == 30.0
        assert pool.next_rested(30.0 + QUARANTINE) is None

    def test_while_all_rest_only_those_that_still_do_are_counted(self):
        pool = pool_of()
        pool.inherit(Resting(everything=QUARANTINE), 20.0)
        pool.retire([endpoint(600)], 0.0)
        short = pool.pick(demand(80), QUARANTINE)
        assert isinstance(short, Shortage)
        assert (short.resting, short.retry_in) == (0, 20.0)

    def test_what_can_be_no_address_need_not_rest(self):
        """Before the cloud has told what is bound, any other may be."""
        pool = Pool([offer()], {}, QUARANTINE)
        assert pool.may_rest(endpoint(600, "9.9.9.9"))
        assert not pool.may_rest(endpoint(600, "nonsense"))

    def test_nor_need_one_that_was_never_bound(self):
        assert pool_of().may_rest(endpoint(600))
        assert not pool_of().may_rest(endpoint(600, "9.9.9.9"))

    def test_nor_what_was_in_use_before_and_was_given_up(self):
        """Who writes it into a PodDNAT later makes nothing rest with that."""
        pool, far = pool_of(), endpoint(600, "9.9.9.9")
        pool.claim("a", "", spec(600, ip="9.9.9.9"), 0.0)
        pool.proofs.hold("a", [far])
        assert pool.may_rest(far)
        pool.unclaim("a", 0.0)
        assert not pool.may_rest(far)

    def test_it_outlives_a_restart(self):
        pool = pool_of()
        pool.inherit(resting({endpoint(600): 12.5}), 1000.0)
        assert pool.quarantined(1000.0) == {endpoint(600): 12.5}
        assert not pool.is_free(GATEWAY, endpoint(600), 1012.4)
        assert pool.is_free(GATEWAY, endpoint(600), 1012.5)

    def test_a_restored_time_is_bounded_by_the_configured_one(self):
        pool = pool_of()
        pool.inherit(resting({endpoint(600): 1e9}), 0.0)
        assert pool.quarantined(0.0) == {endpoint(600): QUARANTINE}

    def test_restoring_never_shortens_one_that_has_begun(self):
        pool = pool_of()
        pool.retire([endpoint(600)], 0.0)
        pool.inherit(resting({endpoint(600): 5.0}), 0.0)
        assert pool.quarantined(0.0) == {endpoint(600): QUARANTINE}

    def test_none_configured_none_kept(self):
        pool = Pool([offer()], {}, 0.0)
        pool.retire([endpoint(600)], 5.0)
        assert pool.quarantined(5.0) == {}


class TestGateways:
    def test_what_the_configuration_offers(self):
        pool = pool_of(offer("ngw-1"), offer("ngw-2", zone_id="z-2"))
        assert [o.gateway_id for o in pool.offers()] == ["ngw-1", "ngw-2"]
        assert pool.offer("ngw-2") == offer("ngw-2", zone_id="z-2")
        assert pool.offer("ngw-9") is None

    def test_describing_tells_whether_anything_is_new(self):
        pool = pool_of()
        assert not pool.describe(GATEWAY, [eip()], "")
        assert pool.describe(GATEWAY, [eip()], "is locked")
        assert pool.problem(GATEWAY) == "is locked"
        assert pool.describe(GATEWAY, [eip(), eip("2.2.2.2")], "is locked")
        assert pool.describe(GATEWAY, [eip(), eip("2.2.2.2")], "")
        assert not pool.describe("ngw-9", [eip()], "")
        assert pool.problem("ngw-9") == "not in the configuration"

    @pytest.mark.parametrize(("problem", "locked"), [("", "is locked"), ("is away", "")])
    def test_what_cannot_be_used_as_described_is_not_tried_again_for_it(self, problem, locked):
        pool = pool_of()
        pool.trust.mark(Target(GATEWAY, EIP), "refused", 5.0, firm=True)
        pool.describe(GATEWAY, [eip(problem=problem)], locked, asked=6.0)
        assert pool.trust.flaw(GATEWAY, EIP, 7.0) == "refused"

    def test_eips_are_followed_as_they_come_and_go(self):
        pool = pool_of()
        assert [e.ip for e in pool.eips(GATEWAY)] == ["1.1.1.1"]
        pool.describe(GATEWAY, [eip("2.2.2.2")], "")
        assert [e.ip for e in pool.eips(GATEWAY)] == ["2.2.2.2"]
        assert take(pool, "a", 80) == ["2.2.2.2:600/tcp"]
        assert pool.eips("ngw-9") == ()

    def test_of_listed_eips_only_those_are_used(self):
        pool = pool_of(offer(eips=("2.2.2.2", "3.3.3.3")))
        pool.describe(GATEWAY, [eip("1.1.1.1"), eip("2.2.2.2")], "")
        assert [e.ip for e in pool.eips(GATEWAY)] == ["2.2.2.2"]

    def test_what_is_in_the_pool(self):
        pool = pool_of()
        assert pool.contains(GATEWAY, endpoint(600))
        assert pool.contains(GATEWAY, endpoint(609, protocol=UDP))
        assert not pool.contains(GATEWAY, endpoint(599))
        assert not pool.contains(GATEWAY, endpoint(600, "2.2.2.2"))
        assert not pool.contains("ngw-9", endpoint(600))

    @pytest.mark.parametrize(
        ("port", "snat", "needed"),
        [(1024, True, False), (1025, True, True), (1025, False, False)],
    )
    def test_port_break(self, port, snat, needed):
        pool = pool_of(eips={GATEWAY: [eip(snat=snat)]})
        assert pool.needs_port_break(GATEWAY, endpoint(port)) is needed
        assert not pool.needs_port_break(GATEWAY, endpoint(port, "9.9.9.9"))
        assert not pool.needs_port_break("ngw-9", endpoint(port))


class TestRows:
    PORTS = (
        PortMapping(600, 80, TCP),
        PortMapping(601, 81, TCP),
        PortMapping(602, 82, UDP),
        PortMapping(603, 90, UDP),
        PortMapping(604, 91, UDP),
        PortMapping(700, 92, UDP),
    )

    def test_each_port_has_a_row(self):
        rows = rows_of(self.PORTS, pack=False)
        assert rows[0] == (PortRange(600, 600), PortRange(80, 80), TCP)
        assert len(rows) == len(self.PORTS)

    def test_neighbours_on_both_sides_share_one(self):
        assert rows_of(self.PORTS, pack=True) == [
            (PortRange(600, 601), PortRange(80, 81), TCP),
            (PortRange(602, 602), PortRange(82, 82), UDP),
            (PortRange(603, 604), PortRange(90, 91), UDP),
            (PortRange(700, 700), PortRange(92, 92), UDP),
        ]

    def test_no_ports_no_rows(self):
        assert rows_of((), pack=True) == []


class TestOneThatIsDoneWithAndStays:
    def test_it_claims_nothing_whatever_it_names(self):
        pool = pool_of()
        pool.claim("a", "1", spec(600), 0.0)
        assert pool.dismiss("a", 0.0)
        pool.claim("a", "1", spec(600), 1.0, leaving=True)
        assert pool.owner(endpoint(600)) == ""

    def test_whoever_has_taken_it_meanwhile_keeps_it_when_it_is_recalled(self):
        pool = pool_of()
        pool.open()
        pool.claim("a", "1", spec(600), 0.0)
        pool.dismiss("a", 0.0)
        pool.claim("b", "2", spec(600), 100.0)
        assert pool.recall("a")
        pool.claim("a", "1", spec(600), 101.0)
        assert pool.owner(endpoint(600)) == "b"

    def test_it_is_told_whether_there_was_anything_to_recall(self):
        pool = pool_of()
        pool.claim("a", "1", spec(600), 0.0)
        assert not pool.recall("a")
        pool.dismiss("a", 0.0)
        assert pool.recall("a")
        assert not pool.recall("a"), "it has been"
        pool.claim("a", "1", spec(600), 0.0)
        assert pool.owner(endpoint(600)) == "a"

    def test_one_that_is_gone_is_not_recalled(self):
        pool = pool_of()
        pool.claim("a", "1", spec(600), 0.0)
        pool.dismiss("a", 0.0)
        pool.unclaim("a", 0.0)
        assert not pool.recall("a")

    def test_of_one_that_claims_nothing_there_is_nothing_to_dismiss(self):
        assert not pool_of().dismiss("nobody", 0.0)

    def test_it_may_let_go_of_what_it_names_as_it_is(self):
        pool = pool_of()
        pool.claim("a", "1", spec(600), 0.0)
        pool.dismiss("a", 0.0)
        assert pool.need_not_rest([endpoint(600)], "a") == {endpoint(600)}

    def test_whoever_has_it_next_retires_it_anew(self):
        pool = pool_of()
        pool.claim("a", "1", spec(600), 0.0)
        pool.retire([endpoint(600)], 0.0)
        pool.dismiss("a", 0.0)
        pool.claim("b", "2", spec(600), QUARANTINE)
        assert pool.retire([endpoint(600)], QUARANTINE)

    def test_what_it_names_rests_first(self):
        pool = pool_of()
        pool.claim("a", "1", spec(600), 0.0)
        pool.use([endpoint(600)])
        pool.dismiss("a", 10.0)
        assert pool.rests(endpoint(600), 10.0 + QUARANTINE - 1)
        assert not pool.rests(endpoint(600), 10.0 + QUARANTINE)

    def test_it_may_have_been_dismissed_before_the_start(self):
        pool = pool_of()
        pool.claim("a", "1", spec(600), 0.0)
        pool.claim("b", "2", spec(600), 0.0)
        assert pool.owner(endpoint(600)) == "a", "as far as is known by then"
        pool.claim("a", "1", spec(600), 0.0, leaving=True)
        pool.open()
        assert pool.owner(endpoint(600)) == "b"


def test_nothing_is_remembered_of_gateways_that_are_claimed_no_more():
    """Whoever may write a PodDNAT names any they like."""
    claims = Claims()
    claims.put(Claim("a", "1", spec(600, gateway_id="ngw-1"), rows=1))
    for number in range(100):
        claims.put(Claim("b", "1", spec(600, gateway_id=f"ngw-odd-{number}"), rows=1))
    assert claims.gateways() == {"ngw-1", "ngw-odd-99"}
    claims.drop("b")
    assert claims.gateways() == {"ngw-1"}
    assert (claims.rows("ngw-1"), claims.rows("ngw-odd-99")) == (1, 0)
    assert set(claims._rows) == {"ngw-1"}
