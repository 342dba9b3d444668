"""What a pool with quotas lets a PodDNAT have of what it claims, and when it lets it have more."""

from __future__ import annotations

from dnatctl.pool import Pool
from tests.unit.pool.made import (
    QUARANTINE,
    eip,
    endpoint,
    offer,
    pool_of,
    spec,
)
from tests.unit.table.made import EIP, GATEWAY, reading, row, uid, view

GAMES, OTHERS = "games", "others"


def limited(games: int = 1, **more) -> Pool:
    """A pool that is open, of which the namespace `games` may have so much."""
    pool = pool_of(quota={GAMES: games}.get, **more)
    pool.open()
    return pool


class TestHavingNothing:
    def test_is_having_claimed_all_of_it_beyond_the_quota(self):
        pool = limited()
        pool.claim("a", "1", spec(600, 601), 0.0, GAMES)
        pool.claim("b", "2", spec(602), 0.0, GAMES)
        assert pool.has_nothing("b")
        assert not pool.has_nothing("a"), "it has one of two"
        assert pool.beyond("a") == {endpoint(601)}

    def test_is_not_having_claimed_nothing(self):
        pool = limited()
        pool.claim("a", "1", spec(), 0.0, GAMES)
        assert not pool.has_nothing("a")
        assert not pool.has_nothing("nobody")

    def test_what_it_does_not_have_it_may_let_go_of_as_it_is(self):
        pool = limited(0)
        pool.claim("a", "1", spec(600), 0.0, GAMES)
        assert pool.need_not_rest([endpoint(600)], "a") == {endpoint(600)}

    def test_what_is_outside_the_configuration_counts_too(self):
        pool = limited(0)
        there = spec(9, ip="9.9.9.9", gateway_id="ngw-9")
        pool.claim("a", "1", there, 0.0, GAMES)
        assert pool.has_nothing("a")


class TestProven:
    """What more than the PodDNAT itself says that it has needs no room."""

    def test_is_what_there_is_a_row_of_it_for(self):
        pool = limited(0, rows={GATEWAY: [row("fwd-1", f"{EIP}:600", owner=uid(1))]})
        pool.claim(uid(1), "1", spec(600, 601), 0.0, GAMES)
        pool.claim(uid(2), "2", spec(600), 0.0, GAMES)
        assert pool.beyond(uid(1)) == {endpoint(601)}

    def test_is_what_is_held_for_it(self):
        pool = limited(0)
        pool.proofs.hold("a", [endpoint(600)])
        pool.claim("a", "1", spec(600), 0.0, GAMES)
        pool.claim("b", "2", spec(601), 0.0, GAMES)
        assert pool.beyond("a") == frozenset()
        assert pool.has_nothing("b")

    def test_a_row_of_another_proves_nothing(self):
        pool = limited(0, rows={GATEWAY: [row("fwd-1", f"{EIP}:600", owner=uid(2))]})
        pool.claim(uid(1), "1", spec(600), 0.0, GAMES)
        assert pool.has_nothing(uid(1))

    def test_what_it_has_already_it_keeps_when_it_asks_for_more(self):
        pool = limited(1)
        pool.claim("a", "1", spec(600), 0.0, GAMES)
        pool.claim("a", "1", spec(600, 601), 0.0, GAMES)
        assert pool.beyond("a") == {endpoint(601)}

    def test_even_what_is_counted_for_another_that_claims_it_too(self):
        pool = limited(1)
        pool.claim("a", "1", spec(600), 0.0, OTHERS)
        pool.claim("b", "2", spec(600), 0.0, GAMES)
        pool.claim("b", "2", spec(601, 602, 600), 0.0, GAMES)
        assert pool.beyond("b") == {endpoint(602)}


class TestReadmission:
    def test_a_claim_has_what_was_beyond_when_there_is_room(self):
        pool = limited()
        pool.claim("a", "1", spec(600), 0.0, GAMES)
        pool.claim("b", "2", spec(601), 0.0, GAMES)
        pool.unclaim("a", 0.0)
        pool.readmit("b", 0.0)
        assert pool.beyond("b") == frozenset()
        assert pool.owner(endpoint(601)) == "b"

    def test_as_far_as_there_is_room(self):
        pool = limited(2)
        pool.claim("a", "1", spec(600, 605), 0.0, GAMES)
        pool.claim("b", "2", spec(601, 602), 0.0, GAMES)
        pool.claim("a", "1", spec(600), 0.0, GAMES)
        pool.readmit("b", 0.0)
        assert pool.beyond("b") == {endpoint(602)}

    def test_not_before_what_others_left_has_rested(self):
        pool = limited()
        pool.claim("a", "1", spec(600), 0.0, GAMES)
        pool.claim("b", "2", spec(601), 0.0, GAMES)
        pool.use([endpoint(600)])
        pool.unclaim("a", 10.0)
        pool.readmit("b", 10.0 + QUARANTINE - 1)
        assert pool.has_nothing("b")
        pool.readmit("b", 10.0 + QUARANTINE)
        assert not pool.has_nothing("b")

    def test_a_new_claim_has_room_as_soon_as_that_has_rested(self):
        pool = limited()
        pool.vacate(row("fwd-1", f"{EIP}:600"), 0.0, GAMES)
        pool.claim("a", "1", spec(601), QUARANTINE - 1, GAMES)
        assert pool.has_nothing("a")
        pool.claim("a", "1", spec(601), QUARANTINE, GAMES)
        assert not pool.has_nothing("a")

    def test_of_what_claims_nothing_or_has_all_changes_nothing(self):
        pool = limited()
        pool.claim("a", "1", spec(600), 0.0, GAMES)
        pool.readmit("a", 0.0)
        pool.readmit("nobody", 0.0)
        assert dict(pool.claims()) == {"a": spec(600)}
        assert pool.quarantined(0.0) == {}

    def test_what_came_first_is_as_old_as_before(self):
        """Of two that claimed it before the start, neither is known to have been the first."""
        quota = {GAMES: 1}
        pool = pool_of(quota=quota.get)
        pool.claim("b", "1", spec(600, 601), 0.0, GAMES)
        pool.claim("a", "2", spec(600), 0.0, OTHERS)
        pool.open()
        assert pool.beyond("b") == {endpoint(601)}
        assert pool.owner(endpoint(600)) == "b"
        quota[GAMES] = 2
        pool.readmit("b", 0.0)
        assert pool.beyond("b") == frozenset()
        assert pool.owner(endpoint(600)) == "b"

    def test_one_that_is_being_deleted_still_is(self):
        quota = {GAMES: 1}
        pool = pool_of(quota=quota.get)
        pool.claim("b", "1", spec(600, 601), 0.0, GAMES, leaving=True)
        pool.claim("a", "2", spec(600), 0.0, OTHERS)
        pool.open()
        assert pool.owner(endpoint(600)) == "a"
        quota[GAMES] = 2
        pool.readmit("b", 0.0)
        assert pool.beyond("b") == frozenset()
        assert pool.owner(endpoint(600)) == "a"


class TestAtTheStart:
    def test_what_is_given_up_need_not_rest(self):
        pool = pool_of(quota={GAMES: 1}.get)
        pool.claim("a", "1", spec(600, 601), 0.0, GAMES)
        pool.open()
        assert pool.beyond("a") == {endpoint(601)}
        assert pool.is_free(GATEWAY, endpoint(601), 0.0)
        assert pool.used(GATEWAY) == 1

    def test_unless_somebody_else_claims_it_who_may_have_a_row_for_it(self):
        pool = pool_of(quota={GAMES: 1}.get)
        pool.claim("a", "1", spec(600, 601), 0.0, GAMES)
        pool.claim("b", "2", spec(601), 0.0, OTHERS)
        pool.open()
        assert pool.owner(endpoint(601)) == "b"
        pool.unclaim("b", 5.0)
        assert pool.quarantined(5.0) == {endpoint(601): QUARANTINE}

    def test_it_is_had_no_sooner_than_there_is_room(self):
        pool = pool_of(quota={GAMES: 1}.get)
        pool.claim("a", "1", spec(600, 601), 0.0, GAMES)
        pool.open()
        pool.readmit("a", 0.0)
        assert pool.beyond("a") == {endpoint(601)}
        assert pool.quotas.use(GAMES, 0.0) == (1, 1, 0)


class TestBeforeATableIsRead:
    """What of its rows proves a claim is not known yet."""

    def unread(self) -> tuple[Pool, dict]:
        offers = [offer(), offer("ngw-2")]
        tables = {o.gateway_id: view(gateway_id=o.gateway_id, read=False) for o in offers}
        pool = Pool(offers, tables, QUARANTINE, {GAMES: 1}.get)
        pool.describe(GATEWAY, [eip()], "")
        pool.describe("ngw-2", [eip("2.2.2.2")], "")
        return pool, tables

    def test_nothing_is_given_up_that_could_be_proven(self):
        pool, _ = self.unread()
        pool.claim("a", "1", spec(600), 0.0, GAMES)
        pool.claim("b", "2", spec(601), 0.0, GAMES)
        pool.open()
        assert pool.beyond("a") == pool.beyond("b") == frozenset()

    def test_what_was_never_offered_is(self):
        pool, _ = self.unread()
        pool.claim("a", "1", spec(600), 0.0, GAMES)
        pool.claim("b", "2", spec(9000), 0.0, GAMES)
        pool.open()
        assert pool.beyond("b") == {endpoint(9000)}

    def test_when_it_is_read_what_has_a_row_stands(self):
        pool, tables = self.unread()
        pool.claim("a", "1", spec(600), 0.0, GAMES)
        pool.claim(uid(2), "2", spec(601), 0.0, GAMES)
        pool.open()
        tables[GATEWAY].merge(reading(0.0, row("fwd-1", f"{EIP}:601", owner=uid(2))), 0.0)
        pool.table_read("ngw-2")
        assert pool.beyond("a") == frozenset(), "that was another"
        pool.table_read(GATEWAY)
        assert pool.beyond("a") == {endpoint(600)}
        assert pool.beyond(uid(2)) == frozenset()

    def test_before_all_claims_are_known_nothing_is_decided(self):
        pool, tables = self.unread()
        pool.claim("b", "2", spec(601), 0.0, GAMES)
        pool.claim("c", "3", spec(602), 0.0, GAMES)
        tables[GATEWAY].merge(reading(0.0), 0.0)
        pool.table_read(GATEWAY)
        assert pool.beyond("b") == pool.beyond("c") == frozenset()


class TestWhatANamespaceHas:
    def test_those_that_claim_are_known(self):
        pool = pool_of()
        pool.claim("a", "1", spec(600), 0.0, GAMES)
        pool.claim("b", "2", spec(601), 0.0, OTHERS)
        assert pool.claiming_namespaces() == {GAMES, OTHERS}
        pool.unclaim("b", 0.0)
        assert pool.claiming_namespaces() == {GAMES}

    def test_what_it_has_used_rests_on_its_account(self):
        pool = pool_of()
        pool.claim("a", "1", spec(600, 601), 0.0, GAMES)
        pool.unclaim("a", 0.0)
        pool.vacate(row("fwd-1", f"{EIP}:605"), 20.0, GAMES)
        assert pool.quotas.use(GAMES, 20.0) == (None, 0, 3)
        assert pool.quotas.use(GAMES, QUARANTINE) == (None, 0, 1)
        assert pool.quotas.use(GAMES, 20.0 + QUARANTINE) == (None, 0, 0)

    def test_what_two_claim_is_counted_for_who_is_left(self):
        pool = pool_of()
        pool.claim("a", "1", spec(600), 0.0, GAMES)
        pool.claim("b", "2", spec(600), 0.0, OTHERS)
        assert pool.quotas.use(GAMES, 0.0) == (None, 1, 0)
        pool.unclaim("a", 0.0)
        assert pool.quotas.use(GAMES, 0.0) == (None, 0, 0)
        assert pool.quotas.use(OTHERS, 0.0) == (None, 1, 0)

    def test_each_has_a_quota_of_its_own(self):
        pool = limited(2)
        pool.claim("a", "1", spec(600), 0.0, GAMES)
        assert pool.quotas.use(GAMES, 0.0) == (2, 1, 0)
        assert pool.quotas.use(OTHERS, 0.0) == (None, 0, 0)
