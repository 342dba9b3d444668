"""The configuration offers something else: who is there stays, and nothing new is put there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dnatctl.pool import Pool
from dnatctl.table.view import Table
from tests.unit.pool.made import QUARANTINE, demand, eip, endpoint, got, offer, pool_of, spec, take
from tests.unit.table.made import EIP, GATEWAY, reading, row, uid

OTHER = "2.2.2.2"


def again(pool: Pool, *offers, quarantine: float = QUARANTINE) -> None:
    pool.offer_again(offers, quarantine)


class TestRange:
    def test_what_is_cut_off_is_kept_by_who_has_it_and_handed_out_no_more(self) -> None:
        pool = pool_of(offer(ports="600/603"))
        pool.claim("a", "a", spec(603), 0)

        again(pool, offer(ports="600/601"))

        assert pool.contains(GATEWAY, endpoint(603))
        assert not pool.contains(GATEWAY, endpoint(602))
        assert take(pool, "b", 80) == ["1.1.1.1:600/tcp"]
        assert take(pool, "c", 80) == ["1.1.1.1:601/tcp"]
        assert "no free tcp port is left in 600-601" in take(pool, "d", 80)[0]
        assert pool.leaving(GATEWAY) == 1

    def test_nobody_else_may_claim_it_afterwards(self) -> None:
        pool = pool_of(offer(ports="600/603"))
        pool.claim("a", "a", spec(603), 0)
        again(pool, offer(ports="600/601"))

        pool.unclaim("a", 0)

        assert not pool.contains(GATEWAY, endpoint(603))
        assert pool.leaving(GATEWAY) == 0

    def test_what_was_cut_off_before_the_start_is_kept_where_a_row_proves_it(self) -> None:
        rows = [row("r", f"{EIP}:603", owner=uid(1))]
        pool = pool_of(offer(ports="600/601"), rows={GATEWAY: rows})
        pool.claim(uid(1), "a", spec(603), 0)
        pool.claim("b", "b", spec(602), 0)

        pool.open()

        assert pool.contains(GATEWAY, endpoint(603))
        assert not pool.contains(GATEWAY, endpoint(602))
        assert pool.leaving(GATEWAY) == 1
        pool.unclaim(uid(1), 0)
        assert not pool.contains(GATEWAY, endpoint(603))

    def test_what_was_cut_off_before_the_start_is_kept_for_a_fixed_pod_that_is_away(self) -> None:
        pool = pool_of(offer(ports="600/601"))
        pool.proofs.hold("a", [endpoint(603)])
        pool.claim("a", "a", spec(603), 0)

        pool.open()

        assert pool.contains(GATEWAY, endpoint(603))

    def test_what_was_cut_off_before_the_start_rests_though_it_was_never_offered_since(
        self,
    ) -> None:
        rows = [row("r", f"{EIP}:603", owner=uid(1))]
        pool = pool_of(offer(ports="600/601"), rows={GATEWAY: rows})
        pool.claim(uid(1), "a", spec(603), 0)
        pool.claim("b", "b", spec(604), 0)
        pool.open()

        pool.unclaim(uid(1), 10)
        pool.unclaim("b", 10)

        assert set(pool.quarantined(10)) == {endpoint(603)}

    @pytest.mark.parametrize("proof", ["a row that has gone", "a note"])
    def test_so_does_what_is_proven_of_a_gateway_that_left_before_the_start(
        self, proof: str
    ) -> None:
        pool = pool_of(offer("ngw-2"), eips={"ngw-2": [eip(OTHER)]})
        pool.claim("a", "a", spec(603, 604), 0)
        if proof == "a note":
            pool.proofs.hold("a", [endpoint(603)])
        pool.open()
        if proof == "a row that has gone":
            pool.vacate(row("r", f"{EIP}:603", owner="a"), 5)

        pool.retire(spec(603, 604).endpoints(), 10)
        assert set(pool.quarantined(10)) == {endpoint(603)}
        pool.unclaim("a", 20)
        assert pool.quarantined(20) == {endpoint(603): QUARANTINE}, "from when it is let go of"

        pool.claim("b", "b", spec(603), 20 + QUARANTINE)
        pool.unclaim("b", 30 + QUARANTINE)
        assert not pool.quarantined(30 + QUARANTINE), "whoever names it afterwards proves nothing"

    def test_what_was_never_offered_does_not_become_so_by_a_claim(self) -> None:
        pool = pool_of(offer(ports="600/603"))
        pool.claim("a", "a", spec(700), 0)
        again(pool, offer(ports="600/601"))
        assert not pool.contains(GATEWAY, endpoint(700))

    def test_it_rests_even_where_the_range_grows_back_at_once(self) -> None:
        pool = pool_of(offer(ports="600/601"))
        pool.claim("a", "a", spec(601), 0)
        again(pool, offer(ports="600/600"))
        pool.use([endpoint(601)])
        pool.unclaim("a", 10)

        again(pool, offer(ports="600/601"))

        assert not pool.is_free(GATEWAY, endpoint(601), 10 + QUARANTINE - 1)
        assert pool.is_free(GATEWAY, endpoint(601), 10 + QUARANTINE)

    def test_a_range_that_grows_is_handed_out_at_once(self) -> None:
        pool = pool_of(offer(ports="600/600"))
        take(pool, "a", 80)
        again(pool, offer(ports="600/601"))
        assert take(pool, "b", 80) == ["1.1.1.1:601/tcp"]

    def test_it_stays_kept_through_further_changes_and_outages(self) -> None:
        pool = pool_of(offer(ports="600/603"))
        pool.claim("a", "a", spec(603), 0)
        pool.describe(GATEWAY, [], "cannot be described")
        again(pool, offer(ports="600/601"))
        assert pool.contains(GATEWAY, endpoint(603))
        again(pool, offer(ports="600/602"))
        pool.describe(GATEWAY, [eip()], "")
        assert pool.contains(GATEWAY, endpoint(603))

    def test_each_that_has_some_of_it_counts(self) -> None:
        pool = pool_of(offer(ports="600/603"))
        pool.claim("a", "a", spec(602), 0)
        pool.claim("b", "b", spec(603), 0)

        again(pool, offer(ports="600/601"))

        assert pool.leaving(GATEWAY) == 2
        assert pool.why_leaving(GATEWAY) == (
            "a part of it leaves the pool: 2 endpoints are in use and offered no more"
        )

    def test_what_of_a_new_range_was_used_rests(self) -> None:
        pool = pool_of(offer(ports="600/601"))
        again(pool, offer(ports="700/709"))
        pool.claim("a", "a", spec(705), 0)
        pool.unclaim("a", 10)
        assert pool.rests(endpoint(705), 10)


class TestReservation:
    """A gateway is reserved for some namespaces: who is there of the others stays."""

    VIPS = offer(namespaces=("vip",))

    @staticmethod
    def serves(pool: Pool, port: int, namespace: str = "shop") -> bool:
        return pool.serves(GATEWAY, endpoint(port), namespace)

    def test_what_is_claimed_is_kept_and_nothing_more_is_given(self) -> None:
        pool = pool_of()
        pool.claim("a", "a", spec(600), 0, "shop")
        pool.claim("v", "v", spec(601), 0, "vip")

        again(pool, self.VIPS)

        assert self.serves(pool, 600)
        assert not self.serves(pool, 602)
        assert self.serves(pool, 602, "vip")
        assert pool.leaving(GATEWAY) == 1
        more = pool.extend(spec(600), replace(demand(81), uid="a", namespace="shop"), 0)
        assert "is reserved for namespaces vip" in getattr(more, "message", "")
        pool.unclaim("a", 0)
        assert not self.serves(pool, 600)

    def test_it_stays_kept_through_further_changes_until_the_gateway_is_for_all(self) -> None:
        pool = pool_of()
        pool.claim("a", "a", spec(600), 0, "shop")
        again(pool, self.VIPS)
        again(pool, offer(namespaces=("games",)))
        assert self.serves(pool, 600)
        again(pool, offer())
        assert pool.leaving(GATEWAY) == 0

    def test_what_is_claimed_there_afterwards_is_not_kept(self) -> None:
        """Anybody may write a claim, and wait for the next change."""
        pool = pool_of(self.VIPS)
        pool.claim("a", "a", spec(600), 0, "shop")
        again(pool, self.VIPS)
        assert not self.serves(pool, 600)

    def test_nor_does_one_keep_what_is_anothers(self) -> None:
        pool = pool_of()
        pool.open()
        pool.claim("v", "v", spec(600), 0, "vip")
        pool.claim("a", "a", spec(600), 0, "shop")
        again(pool, self.VIPS)
        assert not self.serves(pool, 600)

    def test_what_was_claimed_before_the_start_is_kept_where_a_row_proves_it(self) -> None:
        rows = [row("r", f"{EIP}:600", owner=uid(1))]
        pool = pool_of(self.VIPS, rows={GATEWAY: rows})
        pool.claim(uid(1), "a", spec(600), 0, "shop")
        pool.claim("b", "b", spec(601), 0, "shop")
        pool.open()
        assert self.serves(pool, 600)
        assert not self.serves(pool, 601)

    def test_nor_is_it_lost_where_its_row_is_known_to_be_its_later(self) -> None:
        owners: dict[str, str] = {}
        table = Table(GATEWAY, lambda entry: owners.get(entry.entry_id, ""))
        table.merge(reading(0.0, row("r", f"{EIP}:600")), 0.0)
        pool = Pool([self.VIPS], {GATEWAY: table}, QUARANTINE)
        pool.describe(GATEWAY, [eip()], "")
        pool.claim("a", "a", spec(600), 0, "shop")
        pool.open()
        assert not self.serves(pool, 600)
        owners["r"] = "a"
        table.reowned("r")
        pool.rows_found("a")
        pool.rows_found("of nobody who claims anything")
        assert self.serves(pool, 600)

    def test_what_its_namespaces_have_does_not_leave(self) -> None:
        rows = [row("r", f"{EIP}:600", owner=uid(1))]
        pool = pool_of(self.VIPS, rows={GATEWAY: rows})
        pool.claim(uid(1), "a", spec(600), 0, "vip")
        pool.open()
        assert pool.leaving(GATEWAY) == 0

    def test_nobody_is_kept_from_a_gateway_that_is_not_configured(self) -> None:
        assert pool_of().serves("ngw-9", endpoint(600), "shop")


class TestClaims:
    def test_whose_claim_stands_is_as_before(self) -> None:
        pool = pool_of()
        pool.claim("b", "1", spec(600), 0)
        pool.claim("a", "2", spec(600), 0)
        pool.open()

        again(pool, offer(pack=True))

        assert pool.owner(endpoint(600)) == "b"

    def test_what_is_being_deleted_still_is(self) -> None:
        pool = pool_of()
        pool.claim("b", "1", spec(600), 0, leaving=True)
        pool.claim("a", "2", spec(600), 0)
        pool.open()

        again(pool, offer(pack=True))

        assert pool.owner(endpoint(600)) == "a"


class TestEip:
    def test_one_that_leaves_takes_nothing_new_and_is_shown_while_in_use(self) -> None:
        pool = pool_of(offer(), eips={GATEWAY: [eip(), eip(OTHER)]})
        pool.claim("a", "a", spec(600, ip=OTHER), 0)

        again(pool, offer(eips=(EIP,)))

        assert pool.contains(GATEWAY, endpoint(600, OTHER))
        assert not pool.hands_out(GATEWAY, OTHER)
        assert {ip.ip for ip in pool.eips(GATEWAY)} == {EIP, OTHER}
        assert {got(pool.pick(demand(80 + n), 0))[0][:7] for n in range(3)} == {"1.1.1.1"}
        pool.unclaim("a", 0)
        assert {ip.ip for ip in pool.eips(GATEWAY)} == {EIP}

    def test_who_is_there_gets_no_more_ports_there(self) -> None:
        pool = pool_of(offer(), eips={GATEWAY: [eip(), eip(OTHER)]})
        pool.claim("a", "a", spec(600, ip=OTHER), 0)
        again(pool, offer(eips=(EIP,)))

        more = pool.extend(spec(600, ip=OTHER), replace(demand(81), uid="a"), 0)

        assert "not in the pool any more" in getattr(more, "message", "")

    def test_one_that_is_not_bound_any_more_serves_nobody(self) -> None:
        pool = pool_of(offer(), eips={GATEWAY: [eip(), eip(OTHER)]})
        pool.claim("a", "a", spec(600, ip=OTHER), 0)
        again(pool, offer(eips=(EIP,)))
        pool.describe(GATEWAY, [eip()], "")
        assert not pool.contains(GATEWAY, endpoint(600, OTHER))

    def test_what_was_used_of_one_that_is_named_and_not_bound_yet_rests(self) -> None:
        pool = pool_of()
        again(pool, offer(eips=(EIP, OTHER)))
        assert pool.may_rest(endpoint(600, OTHER))
        assert not pool.may_rest(endpoint(600, "9.9.9.9"))

    def test_what_was_claimed_of_one_that_is_named_at_last_is_out_of_line(self) -> None:
        pool = pool_of(offer(ports="600/602", eips=(EIP,)), eips={GATEWAY: [eip(), eip(OTHER)]})
        pool.claim("a", "a", spec(601, ip=OTHER), 0)
        again(pool, offer(ports="600/602", eips=(OTHER,)))
        assert [take(pool, name, 80)[0][-7:-4] for name in "bc"] == ["602", "600"]

    def test_one_is_asked_for_again_that_is_gone(self) -> None:
        pool = pool_of(offer())
        assert not pool.can_keep(spec(600, ip="9.9.9.9"), 0, "games")


class TestGateway:
    def test_one_that_leaves_stays_until_it_is_empty(self) -> None:
        pool = pool_of(offer(), offer("ngw-2"))
        pool.claim("a", "a", spec(600), 0)

        again(pool, offer("ngw-2"))

        assert pool.contains(GATEWAY, endpoint(600))
        assert pool.why_leaving(GATEWAY) == (
            "leaves the pool: 1 endpoint is in use and offered no more"
        )
        assert pool.emptied() == []
        assert take(pool, "b", 80) == ["2.2.2.2:600/tcp"]
        pool.unclaim("a", 0)
        assert pool.emptied() == [GATEWAY]
        pool.drop(GATEWAY)
        assert [o.gateway_id for o in pool.offers()] == ["ngw-2"]

    def test_nobody_gets_more_ports_on_one_that_leaves(self) -> None:
        pool = pool_of(offer(), offer("ngw-2"))
        pool.claim("a", "a", spec(600), 0)
        again(pool, offer("ngw-2"))
        assert got(pool.extend(spec(600), demand(443), 0)) == [
            f"{GATEWAY}: {EIP} is not in the pool any more"
        ]

    def test_nor_is_it_empty_while_a_row_of_ours_is_there(self) -> None:
        rows = [row("r", f"{EIP}:600", owner=uid(1))]
        pool = pool_of(offer(), offer("ngw-2"), rows={GATEWAY: rows})
        again(pool, offer("ngw-2"))
        assert pool.emptied() == []
        assert pool.why_leaving(GATEWAY).startswith("leaves the pool: 0 endpoints")

    def test_one_that_was_never_in_it_does_not_leave(self) -> None:
        pool = pool_of()
        assert pool.leaving("ngw-9") == 0
        assert pool.why_leaving("ngw-9") == ""

    def test_what_the_cloud_said_of_it_still_counts(self) -> None:
        pool = pool_of(offer(), offer("ngw-2"))
        pool.describe(GATEWAY, [eip()], "", "z-1")
        pool.describe("ngw-2", [eip(OTHER)], "", "z-2")
        again(pool, offer(), offer("ngw-2"))
        assert got(pool.pick(demand(80, zone="z-2"), 0)) == ["2.2.2.2:600/tcp"]

        pool.describe(GATEWAY, [eip()], "is locked", "z-1")
        again(pool, offer(), offer("ngw-2"))
        assert pool.problem(GATEWAY) == "is locked"

    def test_one_that_comes_back_is_as_before(self) -> None:
        pool = pool_of(offer(), offer("ngw-2"))
        pool.claim("a", "a", spec(600), 0)
        again(pool, offer("ngw-2"))
        again(pool, offer(), offer("ngw-2"))
        assert pool.leaving(GATEWAY) == 0
        assert pool.why_leaving(GATEWAY) == ""
        assert pool.hands_out(GATEWAY, EIP)

    def test_how_many_rows_it_takes_is_counted_anew(self) -> None:
        pool = pool_of()
        pool.claim("a", "a", spec(600, 601), 0)
        assert pool.used(GATEWAY) == 2
        again(pool, offer(pack=True))
        assert pool.used(GATEWAY) == 1

    def test_rests_that_begin_are_as_long_as_is_asked_for_now(self) -> None:
        pool = pool_of()
        pool.claim("a", "a", spec(600), 0)
        again(pool, offer(), quarantine=5)
        pool.use([endpoint(600)])
        pool.unclaim("a", 0)
        assert pool.is_free(GATEWAY, endpoint(600), 5)

    def test_who_counts_while_it_changes_is_not_disturbed(self) -> None:
        """Metrics go through the gateways without the lock."""
        pool = pool_of(offer(), offer("ngw-2"))
        going_through = iter(pool._gateways.items())
        next(going_through)
        again(pool, offer(), offer("ngw-3"))
        pool.drop("ngw-2")
        assert [gateway_id for gateway_id, _ in going_through] == ["ngw-2"]
