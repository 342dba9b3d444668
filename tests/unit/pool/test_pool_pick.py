"""What the pool hands out: which endpoints, of which gateway, and what it says if none is left."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dnatctl.model import Endpoint, GatewayEip, PortRange
from dnatctl.objects import PortMapping
from dnatctl.orders import Order, OrderKind, Orders
from dnatctl.pool import Allocation, Pool, Shortage, Target
from dnatctl.pool.handover import Resting
from tests.unit.pool.made import (
    QUARANTINE,
    demand,
    eip,
    endpoint,
    got,
    offer,
    pool_of,
    spec,
    take,
)
from tests.unit.table.made import EIP, GATEWAY, TCP, UDP, row, uid, view


class TestOrder:
    def test_least_recently_used_first(self):
        pool = pool_of(offer(ports="600/602"))
        assert take(pool, "a", 80) == ["1.1.1.1:600/tcp"]
        assert take(pool, "b", 80) == ["1.1.1.1:601/tcp"]
        pool.unclaim("b", 0.0)
        pool.unclaim("a", 1.0)
        later = 2 * QUARANTINE
        assert take(pool, "c", 80, now=later) == ["1.1.1.1:602/tcp"], "never used"
        assert take(pool, "d", 80, now=later) == ["1.1.1.1:601/tcp"], "released first"
        assert take(pool, "e", 80, now=later) == ["1.1.1.1:600/tcp"]

    def test_past_ports_that_rest_it_goes_without_a_look_at_claims_and_rows(self, monkeypatch):
        """Thousands may rest, and whoever waits for one of them asks again and again."""
        pool, looks = pool_of(offer(ports="1/3000")), list[Endpoint]()
        is_free = pool.is_free
        monkeypatch.setattr(
            pool, "is_free", lambda g, e, now: looks.append(e) or is_free(g, e, now)
        )
        for port in range(1, 3000):
            pool.claim(f"{port}", "", spec(port), 0.0)
            pool.use([endpoint(port)])
            pool.unclaim(f"{port}", 1.0)
        assert take(pool, "a", 80, now=2.0) == [f"{EIP}:3000/tcp"], "never used"
        looks.clear()
        assert isinstance(pool.pick(demand(80), 2.0), Shortage)
        assert looks == []
        assert take(pool, "b", 80, now=1.0 + QUARANTINE) == [f"{EIP}:1/tcp"]

    def test_nothing_is_looked_at_while_all_rests(self, monkeypatch):
        pool = pool_of(offer(ports="1/3000"))
        pool.inherit(Resting(everything=30.0), 0.0)
        monkeypatch.setattr(pool, "is_free", lambda *_: pytest.fail("all rest"))
        assert isinstance(pool.pick(demand(80), 1.0), Shortage)
        monkeypatch.undo()
        assert take(pool, "a", 80, now=31.0) == [f"{EIP}:1/tcp"]

    def test_tcp_and_udp_do_not_share_ports(self):
        pool = pool_of()
        assert take(pool, "a", 80) == ["1.1.1.1:600/tcp"]
        assert take(pool, "b", (80, UDP)) == ["1.1.1.1:600/udp"]
        assert take(pool, "c", 80, (80, UDP)) == ["1.1.1.1:601/tcp", "1.1.1.1:601/udp"]

    def test_the_ip_with_most_fresh_ports_comes_first(self):
        pool = pool_of(eips={GATEWAY: [eip("1.1.1.1"), eip("2.2.2.2")]})
        assert [take(pool, f"{n}", 80)[0] for n in range(4)] == [
            "1.1.1.1:600/tcp",
            "2.2.2.2:600/tcp",
            "1.1.1.1:601/tcp",
            "2.2.2.2:601/tcp",
        ]

    def test_the_ports_of_a_pod_keep_the_order_of_its_annotation(self):
        found = pool_of().pick(demand(443, 80, (80, UDP)), 0.0)
        assert found == Allocation(
            GATEWAY,
            EIP,
            (PortMapping(600, 443, TCP), PortMapping(601, 80, TCP), PortMapping(600, 80, UDP)),
        )

    def test_nothing_is_taken_by_asking(self):
        pool = pool_of()
        assert pool.pick(demand(80), 0.0) == pool.pick(demand(80), 0.0)


class TestOneAddress:
    def test_all_ports_of_a_pod_are_on_one_ip(self):
        pool = pool_of(offer(ports="600/601"), eips={GATEWAY: [eip("1.1.1.1"), eip("2.2.2.2")]})
        take(pool, "a", 80)
        take(pool, "b", 80)
        assert take(pool, "c", 80, 443) == [
            f"{GATEWAY}: none of its EIPs has 2 free tcp ports in 600-601"
        ]
        pool.unclaim("b", 0.0)
        assert take(pool, "c", 80, 443, now=QUARANTINE) == ["2.2.2.2:601/tcp", "2.2.2.2:600/tcp"]


class TestWhatIsTaken:
    def test_rows_of_the_table_are_respected(self):
        foreign = [
            row("fwd-1", "1.1.1.1:600", "10.0.0.9:1"),
            row("fwd-2", "1.1.1.1:601/603", "10.0.0.9:2/4"),
            row("fwd-3", "1.1.1.1:604", "10.0.0.9:5", owner=uid(9)),
        ]
        pool = pool_of(rows={GATEWAY: foreign})
        assert take(pool, "a", 80) == ["1.1.1.1:605/tcp"]
        assert take(pool, "b", (80, UDP)) == ["1.1.1.1:600/udp"]

    def test_an_ip_mapping_takes_a_whole_address(self):
        mapping = row("fwd-1", "1.1.1.1:Any", "10.0.0.9:Any", protocol=None)
        pool = pool_of(rows={GATEWAY: [mapping]}, eips={GATEWAY: [eip("1.1.1.1"), eip("2.2.2.2")]})
        assert take(pool, "a", 80) == ["2.2.2.2:600/tcp"]

    def test_locked_addresses_are_left_alone(self):
        pool = pool_of(eips={GATEWAY: [eip("1.1.1.1", "is locked"), eip("2.2.2.2")]})
        assert take(pool, "a", 80) == ["2.2.2.2:600/tcp"]

    def test_an_address_that_the_cloud_refused_is_left_alone_for_a_while(self):
        pool = pool_of(eips={GATEWAY: [eip("1.1.1.1"), eip("2.2.2.2")]})
        pool.trust.mark(Target(GATEWAY, "1.1.1.1"), "InvalidIp.NotInNatgw", 0.0, firm=True)
        assert take(pool, "a", 80, now=59.9) == ["2.2.2.2:600/tcp"]
        pool.trust.mark(Target(GATEWAY, "2.2.2.2"), "InvalidIp.NotInNatgw", 0.0, firm=True)
        why = "is refused by the cloud (InvalidIp.NotInNatgw)"
        none = f"{GATEWAY}: none of its EIPs is usable: 1.1.1.1 {why}; 2.2.2.2 {why}"
        assert take(pool, "b", 80, now=59.9) == [none]
        assert take(pool, "b", 80, now=60.0) == ["1.1.1.1:600/tcp"]

    def test_is_free_says_what_pick_respects(self):
        pool = pool_of(rows={GATEWAY: [row("fwd-1", "1.1.1.1:600", "10.0.0.9:1")]})
        pool.claim("a", "", spec(601), 0.0)
        pool.retire([endpoint(602)], 0.0)
        free = [p for p in range(600, 604) if pool.is_free(GATEWAY, endpoint(p), 0.0)]
        assert free == [603]
        assert not pool.is_free("ngw-9", endpoint(603), 0.0), "nothing is known of its table"


class TestDrained:
    """People have ordered to put nothing new there."""

    def test_an_ip_is_left_alone(self):
        pool = pool_of(eips={GATEWAY: [eip("1.1.1.1"), eip("2.2.2.2")]})
        pool.orders = Orders((Order(OrderKind.DRAIN, "eip/1.1.1.1"),))
        assert take(pool, "a", 80) == ["2.2.2.2:600/tcp"]
        assert take(pool, "b", 80) == ["2.2.2.2:601/tcp"]

    @pytest.mark.parametrize("target", ["eip/1.1.1.1", f"gateway/{GATEWAY}"])
    def test_nothing_of_it_is_said_to_be_free(self, target: str):
        pool = pool_of(offer(), offer("ngw-2"))
        pool.orders = Orders((Order(OrderKind.DRAIN, target),))
        assert not pool.hands_out(GATEWAY, EIP)
        assert pool.hands_out("ngw-2", "2.2.2.2")

    def test_where_there_is_no_other_it_is_told(self):
        pool = pool_of()
        pool.orders = Orders((Order(OrderKind.DRAIN, f"eip/{EIP}"),))
        drained = f"{EIP} is being drained (dnatctl undrain eip/{EIP} ends it)"
        assert take(pool, "a", 80) == [f"{GATEWAY}: none of its EIPs is usable: {drained}"]

    def test_who_is_there_may_have_more_ports(self):
        pool = pool_of()
        pool.claim("a", "", spec(600), 0.0)
        pool.orders = Orders((Order(OrderKind.DRAIN, f"eip/{EIP}"),))
        assert pool.extend(spec(600), demand(443), 0.0) == (PortMapping(601, 443, TCP),)

    @pytest.mark.parametrize(
        ("kind", "what"),
        [
            (OrderKind.DRAIN, f"is being drained (dnatctl undrain gateway/{GATEWAY} ends it)"),
            (OrderKind.PAUSE, f"is paused (dnatctl resume gateway/{GATEWAY} ends it)"),
        ],
    )
    def test_a_whole_gateway_is_left_alone(self, kind: OrderKind, what: str):
        pool = pool_of(offer(), offer("ngw-2"))
        pool.orders = Orders((Order(kind, f"gateway/{GATEWAY}"),))
        assert take(pool, "a", 80) == ["2.2.2.2:600/tcp"]
        assert take(pool, "b", 80) == ["2.2.2.2:601/tcp"]
        found = pool.pick(demand(80), 0.0, avoid=frozenset({"ngw-2"}))
        assert got(found) == [f"{GATEWAY}: {what}"]


class TestRefused:
    """Where a pod that was refused goes, and whom those to follow wait for."""

    MOVING = replace(demand(80), uid="a", moving=True)

    def refuse(self, pool: Pool, *ports: int) -> None:
        for port in ports:
            pool.trust.refused("a", GATEWAY, endpoint(port), "Some.New.Code", 0.0)

    def test_it_is_not_given_that_endpoint_again(self):
        pool = pool_of()
        self.refuse(pool, 600)
        assert got(pool.pick(replace(demand(80), uid="a"), 0.0)) == ["1.1.1.1:601/tcp"]
        assert got(pool.pick(replace(demand(80), uid="b"), 0.0)) == ["1.1.1.1:600/tcp"]

    def test_refused_twice_on_an_ip_it_goes_to_another(self):
        pool = pool_of(eips={GATEWAY: [eip("1.1.1.1"), eip("2.2.2.2")]})
        self.refuse(pool, 600, 601)
        assert got(pool.pick(replace(demand(80), uid="a"), 0.0)) == ["2.2.2.2:600/tcp"]

    def test_where_there_is_no_other_it_stays_and_is_told_why(self):
        pool = pool_of()
        self.refuse(pool, 600, 601)
        assert got(pool.pick(self.MOVING, 0.0)) == [
            f"{GATEWAY}: none of its EIPs is usable: {EIP} refused the pod before"
        ]

    def test_it_waits_for_another_that_tries_the_ip(self):
        pool = pool_of(eips={GATEWAY: [eip("1.1.1.1"), eip("2.2.2.2")]})
        pool.trust.accepted("c", GATEWAY, "3.3.3.3", 0.0)
        pool.trust.engaged("p", GATEWAY, "1.1.1.1", 0.0, moved=True)
        assert got(pool.pick(self.MOVING, 0.0)) == ["2.2.2.2:600/tcp"]
        pool.trust.engaged("p", GATEWAY, "2.2.2.2", 0.0, moved=True)
        tried = "is being tried by another pod"
        assert got(pool.pick(self.MOVING, 0.0)) == [
            f"{GATEWAY}: none of its EIPs is usable: 1.1.1.1 {tried}; 2.2.2.2 {tried}"
        ]

    def test_one_that_has_no_claim_yet_does_not(self):
        pool = pool_of(eips={GATEWAY: [eip("1.1.1.1"), eip("2.2.2.2")]})
        pool.trust.engaged("p", GATEWAY, "1.1.1.1", 0.0, moved=True)
        assert got(pool.pick(demand(80), 0.0)) == ["1.1.1.1:600/tcp"]

    def test_where_nothing_else_is_left_what_is_refused_is_tried(self):
        pool = pool_of()
        pool.trust.mark(Target(GATEWAY, EIP), "Some.New.Code", 0.0)
        assert got(pool.pick(demand(80), 1.0)) == [f"{EIP}:600/tcp"]

    def test_so_is_where_the_pod_itself_was_refused(self):
        pool = pool_of()
        self.refuse(pool, 600, 601)
        assert pool.trust.flaw(GATEWAY, EIP, 0.0) == "", "held against nobody else"
        assert got(pool.pick(replace(demand(80), uid="a"), 0.0)) == [f"{EIP}:602/tcp"]

    def test_that_the_last_resort_has_no_room_either_is_not_the_cause(self):
        pool = pool_of(offer(ports="600/600"))
        take(pool, "a", 80)
        pool.trust.mark(Target(GATEWAY, EIP), "Some.New.Code", 0.0)
        why = f"none of its EIPs is usable: {EIP} is refused by the cloud (Some.New.Code)"
        assert got(pool.pick(demand(80), 0.0)) == [f"{GATEWAY}: {why}"]


class TestGateways:
    def two(self, **more) -> Pool:
        return pool_of(offer("ngw-1", zone_id="z-1"), offer("ngw-2", zone_id="z-2"), **more)

    def test_the_emptiest_comes_first(self):
        pool = self.two()
        picked = [take(pool, f"{n}", 80)[0] for n in range(3)]
        assert picked == ["1.1.1.1:600/tcp", "2.2.2.2:600/tcp", "1.1.1.1:601/tcp"]

    def test_the_pods_zone_is_preferred_to_the_emptiest(self):
        pool = self.two()
        assert [take(pool, f"{n}", 80, zone="z-2")[0] for n in range(2)] == [
            "2.2.2.2:600/tcp",
            "2.2.2.2:601/tcp",
        ]

    def test_where_the_configuration_names_no_zone_the_clouds_word_counts(self):
        pool = pool_of(offer("ngw-1"), offer("ngw-2", zone_id="z-1"))
        pool.describe("ngw-1", [eip("1.1.1.1")], "", "z-2")
        pool.describe("ngw-2", [eip("2.2.2.2")], "", "z-2")
        picked = [take(pool, f"{n}", 80, zone=zone)[0] for n, zone in enumerate(("z-2", "z-2"))]
        assert picked == ["1.1.1.1:600/tcp", "1.1.1.1:601/tcp"]
        assert take(pool, "c", 80, zone="z-1") == ["2.2.2.2:600/tcp"]

    def test_where_all_are_said_to_be_in_one_zone_it_decides_nothing(self):
        """As the docs tell those who want pods of all zones spread over all gateways."""
        pool = pool_of(offer("ngw-1", zone_id="z-1"), offer("ngw-2", zone_id="z-1"))
        pool.describe("ngw-2", [eip("2.2.2.2")], "", "z-2")
        zones = ("z-1", "z-1", "z-2", "z-2")
        picked = [take(pool, f"{n}", 80, zone=zone)[0] for n, zone in enumerate(zones)]
        assert [name.partition(":")[0] for name in picked] == ["1.1.1.1", "2.2.2.2"] * 2

    def test_but_it_is_a_preference(self):
        pool = self.two()
        pool.describe("ngw-2", [eip("2.2.2.2")], "is being upgraded")
        assert take(pool, "a", 80, zone="z-2") == ["1.1.1.1:600/tcp"]
        assert take(pool, "b", 80, zone="z-9") == ["1.1.1.1:601/tcp"]

    def test_those_to_avoid_are_left_out(self):
        found = self.two().pick(demand(80), 0.0, avoid=frozenset({"ngw-1"}))
        assert got(found) == ["2.2.2.2:600/tcp"]
        none = self.two().pick(demand(80), 0.0, avoid=frozenset({"ngw-1", "ngw-2"}))
        assert none == Shortage("PoolExhausted", "no gateway is left to try", None)


class TestFull:
    def test_a_full_gateway_is_skipped(self):
        pool = pool_of(offer("ngw-1", max_entries=2), offer("ngw-2"))
        take(pool, "a", 80, 443)
        assert take(pool, "b", 80) == ["2.2.2.2:600/tcp"]

    def test_who_needs_more_rows_tries_later_whether_more_are_allowed(self):
        """A try costs as many rows as it makes, and others need them."""
        pool = pool_of(offer())
        pool.learn_limit(GATEWAY, 2, until=60.0)
        three = demand(80, 443, 8080)
        for now, room in ((59.0, False), (61.0, False), (179.0, False), (181.0, True)):
            assert isinstance(pool.pick(three, now), Allocation) == room
        assert isinstance(pool.pick(demand(80), 61.0), Allocation)

    def test_what_counts_is_claimed_foreign_and_orphaned(self):
        foreign = row("fwd-1", "1.1.1.1:600", "10.0.0.9:1")
        pool = pool_of(offer(max_entries=4), rows={GATEWAY: [foreign]})
        pool.count_orphans(GATEWAY, 1)
        take(pool, "a", 80)
        assert pool.used(GATEWAY) == 3
        assert take(pool, "b", 80, 443) == [
            f"{GATEWAY}: its table has no room for 2 entries (3 of 4 are taken)"
        ]
        assert take(pool, "b", 80) == ["1.1.1.1:602/tcp"]
        pool.unclaim("a", 0.0)
        assert pool.used(GATEWAY) == 3
        pool.count_orphans(GATEWAY, 0)
        assert pool.used(GATEWAY) == 2

    def test_a_refusal_for_quota_is_believed_for_a_while(self):
        pool = pool_of()
        take(pool, "a", 80)
        pool.learn_limit(GATEWAY, 1, until=300.0)
        assert pool.limit(GATEWAY, 299.0) == 1
        assert take(pool, "b", 80, now=299.0) == [f"{GATEWAY}: its table is full (1 of 1 entries)"]
        assert pool.limit(GATEWAY, 300.0) is None
        assert take(pool, "b", 80, now=300.0) == ["1.1.1.1:601/tcp"]

    def test_a_limit_that_more_rows_disprove_is_none(self):
        pool = pool_of()
        pool.learn_limit(GATEWAY, 2, until=300.0)
        pool.has_grown(GATEWAY, 2)
        assert pool.limit(GATEWAY, 0.0) == 2
        pool.has_grown(GATEWAY, 3)
        assert pool.limit(GATEWAY, 0.0) is None
        assert pool.last_limit(GATEWAY, 2) is None

    def test_people_are_told_what_a_refusal_showed_until_more_rows_disprove_it(self):
        pool = pool_of()
        assert pool.last_limit(GATEWAY, 0) is None
        pool.learn_limit(GATEWAY, 1, until=300.0)
        assert pool.limit(GATEWAY, 300.0) is None
        assert pool.last_limit(GATEWAY, 1) == 1
        assert pool.last_limit(GATEWAY, 2) is None
        assert pool.last_limit("ngw-9", 0) is None
        assert pool_of(offer(max_entries=5)).last_limit(GATEWAY, 9) == 5

    def test_the_lower_of_two_limits_counts(self):
        pool = pool_of(offer(max_entries=5))
        pool.learn_limit(GATEWAY, 7, until=300.0)
        assert pool.limit(GATEWAY, 0.0) == 5
        pool.learn_limit(GATEWAY, 3, until=300.0)
        assert pool.limit(GATEWAY, 0.0) == 3
        assert pool.limit(GATEWAY, 300.0) == 5

    def test_a_table_that_takes_no_row_at_all_is_full(self):
        pool = pool_of()
        pool.learn_limit(GATEWAY, 0, until=300.0)
        assert take(pool, "a", 80) == [f"{GATEWAY}: its table is full (0 of 0 entries)"]

    def test_nothing_is_known_of_gateways_that_are_not_offered(self):
        pool = pool_of()
        pool.learn_limit("ngw-9", 1, until=300.0)
        pool.has_grown("ngw-9", 1)
        pool.count_orphans("ngw-9", 5)
        assert pool.limit("ngw-9", 0.0) is None
        assert pool.used("ngw-9") == 0


class TestNoAddress:
    """Why there is no external IP to be had: each cause by its name."""

    def why(self, *eips, rows=(), named=()) -> str:
        gateway = offer("ngw-1", eips=named)
        pool = pool_of(gateway, rows={"ngw-1": list(rows)}, eips={"ngw-1": list(eips)})
        return pool.pick(demand(80), 0.0).message

    def test_none_is_bound(self):
        assert self.why() == "ngw-1: no EIP is bound to it"

    def test_the_one_that_the_configuration_names_is_not(self):
        assert self.why(eip("2.2.2.2"), named=("1.1.1.1",)) == (
            "ngw-1: none of the EIPs that the configuration names (1.1.1.1) is bound to it, "
            "bound are 2.2.2.2"
        )
        assert self.why(named=("1.1.1.1",)).endswith("is bound to it, no EIP is")

    def test_nor_any_of_several(self):
        bound = (eip("3.3.3.3"), eip("4.4.4.4"))
        assert self.why(*bound, named=("1.1.1.1", "2.2.2.2")) == (
            "ngw-1: none of the EIPs that the configuration names (1.1.1.1, 2.2.2.2) "
            "is bound to it, bound are 3.3.3.3, 4.4.4.4"
        )

    def test_of_a_gateway_that_could_be_used_it_is_told_whoever_asks(self):
        pool = pool_of(offer("ngw-1"), offer("ngw-2"), eips={"ngw-1": []})
        assert pool.why_none_bound("ngw-1") == "no EIP is bound to it"
        assert (pool.why_none_bound("ngw-2"), pool.why_none_bound("ngw-9")) == ("", "")
        pool.describe("ngw-1", (), "it is deleted")
        assert pool.why_none_bound("ngw-1") == "", "that is what to tell"

    def test_nor_of_one_that_has_left_the_pool(self):
        pool = pool_of(offer("ngw-1"), eips={"ngw-1": []})
        pool.offer_again([], QUARANTINE)
        assert pool.why_none_bound("ngw-1") == ""

    def test_one_that_is_named_is_not_bound_and_the_other_is_locked(self):
        assert self.why(eip("2.2.2.2", "is locked"), named=("1.1.1.1", "2.2.2.2")) == (
            "ngw-1: none of its EIPs is usable: 2.2.2.2 is locked; 1.1.1.1 is not bound to it"
        )

    def test_somebody_has_mapped_it_whole(self):
        whole = row("fwd-9", "1.1.1.1:Any", "10.0.60.3:Any", protocol=None)
        assert self.why(eip("1.1.1.1"), rows=[whole]) == (
            "ngw-1: none of its EIPs is usable: 1.1.1.1 is mapped whole to 10.0.60.3 by fwd-9"
        )

    def test_its_table_cannot_be_read(self):
        pool = pool_of(offer("ngw-1"), eips={"ngw-1": [eip("1.1.1.1")]})
        pool._tables["ngw-1"] = view(gateway_id="ngw-1", read=False)
        pool._tables["ngw-1"].unreadable = "DescribeForwardTableEntries: Forbidden.RAM: no"
        text = "its forward table cannot be read: DescribeForwardTableEntries: Forbidden.RAM: no"
        assert pool.pick(demand(80), 0.0).message == f"ngw-1: {text}"


class TestExhausted:
    def test_every_gateway_says_why(self):
        pool = pool_of(
            *(offer(f"ngw-{n}", max_entries=1 if n == 2 else None) for n in range(1, 8)),
            rows={"ngw-2": [row("fwd-1", "2.2.2.2:900", "10.0.0.9:1")]},
            eips={
                "ngw-3": [],
                "ngw-4": [eip("4.4.4.4", "is locked"), GatewayEip("4.4.4.5", usable=False)],
                "ngw-5": [eip("5.5.5.5", "is locked"), eip("5.5.5.6")],
                "ngw-6": [eip("6.6.6.6")],
            },
        )
        pool.describe("ngw-1", [], "is not Available but Modifying")
        for port in range(600, 610):
            pool.claim(f"5-{port}", "", spec(port, ip="5.5.5.6", gateway_id="ngw-5"), 0.0)
            pool.claim(f"6-{port}", "", spec(port, ip="6.6.6.6", gateway_id="ngw-6"), 0.0)
        pool._tables["ngw-7"] = view(gateway_id="ngw-7", read=False)
        found = pool.pick(demand(80), 0.0)
        assert isinstance(found, Shortage)
        assert found.reason == "PoolExhausted"
        assert dict(part.split(": ", 1) for part in found.message.split("; ngw-")) == {
            "ngw-1": "is not Available but Modifying",
            "2": "its table is full (1 of 1 entries)",
            "3": "no EIP is bound to it",
            "4": "none of its EIPs is usable: 4.4.4.4 is locked; 4.4.4.5 is not usable",
            "5": "no free tcp port is left in 600-609 on its EIPs",
            "6": "no free tcp port is left in 600-609 on its EIPs",
            "7": "its forward table has not been read yet",
        }
        assert found.retry_in is None

    def test_before_the_cloud_has_been_asked(self):
        pool = Pool([offer()], {GATEWAY: view()}, QUARANTINE)
        assert take(pool, "a", 80) == [f"{GATEWAY}: not described by the cloud yet"]

    def test_the_pods_zone_comes_first_even_then(self):
        offers = [offer(f"ngw-{n}", zone_id=f"z-{n}") for n in (1, 2, 3)]
        pool = Pool(offers, {}, QUARANTINE)
        assert [pool.eips(o.gateway_id) for o in offers] == [(), (), ()]
        found = pool.pick(demand(80, zone="z-2"), 0.0)
        why = "not described by the cloud yet"
        assert found == Shortage("PoolExhausted", f"ngw-2: {why}; ngw-1: {why}; ngw-3: {why}")

    def test_a_table_nobody_watches_has_not_been_read(self):
        pool = Pool([offer()], {}, QUARANTINE)
        pool.describe(GATEWAY, [eip()], "")
        assert take(pool, "a", 80) == [f"{GATEWAY}: its forward table has not been read yet"]

    def test_it_says_when_the_next_quarantine_ends(self):
        pool = pool_of(offer(ports="600/601"))
        take(pool, "a", 80)
        take(pool, "b", 80)
        pool.unclaim("a", 10.0)
        pool.unclaim("b", 30.0)
        found = pool.pick(demand(80), 40.0)
        assert isinstance(found, Shortage)
        assert found.retry_in == pytest.approx(10.0 + QUARANTINE - 40.0)


class TestPacking:
    def test_neighbours_get_neighbouring_ports(self):
        pool = pool_of(offer(pack=True))
        take(pool, "a", 80)
        pool.claim("b", "", spec(602), 0.0)
        assert take(pool, "c", 7000, 7001, 7002) == [f"1.1.1.1:{n}/tcp" for n in (603, 604, 605)]

    @pytest.mark.parametrize("count", [2, 3])
    def test_a_gap_is_passed_over_for_a_run(self, count):
        foreign = row("fwd-1", "1.1.1.1:601", "10.0.0.9:1")
        pool = pool_of(offer(pack=True), rows={GATEWAY: [foreign]})
        wanted = [7000 + n for n in range(count)]
        assert take(pool, "a", *wanted) == [f"1.1.1.1:{602 + n}/tcp" for n in range(count)]

    def test_without_packing_it_is_not(self):
        foreign = row("fwd-1", "1.1.1.1:601", "10.0.0.9:1")
        pool = pool_of(rows={GATEWAY: [foreign]})
        assert take(pool, "a", 7000, 7001) == ["1.1.1.1:600/tcp", "1.1.1.1:602/tcp"]

    def test_a_run_does_not_join_two_protocols(self):
        pool = pool_of(offer(pack=True, max_entries=1))
        assert take(pool, "a", (80, TCP), (81, UDP)) == [
            f"{GATEWAY}: its table has no room for 2 entries (0 of 1 are taken)"
        ]

    def test_single_ports_fill_the_gaps(self):
        pool = pool_of(offer(pack=True))
        pool.claim("a", "", spec(600, 602), 0.0)
        pool.unclaim("a", -QUARANTINE)
        assert take(pool, "b", 80) == ["1.1.1.1:603/tcp"], "the least recently used"

    def test_each_run_by_itself(self):
        pool = pool_of(offer(pack=True))
        found = pool.pick(demand(7000, 7001, 80, 81, (82, UDP), (83, UDP)), 0.0)
        assert isinstance(found, Allocation)
        assert [(p.external, p.internal) for p in found.ports] == [
            (600, 7000),
            (601, 7001),
            (602, 80),
            (603, 81),
            (600, 82),
            (601, 83),
        ]

    def test_without_room_for_a_run_single_ports_do(self):
        pool = pool_of(offer(ports="600/604", pack=True))
        pool.claim("a", "", spec(602), 0.0)
        assert take(pool, "b", 7000, 7001, 7002) == [f"1.1.1.1:{n}/tcp" for n in (603, 604, 600)]

    def test_a_run_counts_as_one_row(self):
        pool = pool_of(offer(ports="600/699", pack=True, max_entries=2))
        take(pool, "a", 7000, 7001, 7002)
        assert pool.used(GATEWAY) == 1
        assert take(pool, "b", 80, 443) == [
            f"{GATEWAY}: its table has no room for 2 entries (1 of 2 are taken)"
        ]
        assert take(pool, "b", 80, 81) == ["1.1.1.1:603/tcp", "1.1.1.1:604/tcp"]
        pool.unclaim("a", 0.0)
        assert pool.used(GATEWAY) == 1

    def test_without_packing_each_port_is_a_row(self):
        pool = pool_of()
        take(pool, "a", 7000, 7001, 7002)
        assert pool.used(GATEWAY) == 3


class TestExtending:
    """More ports for a pod that has some: on the IP it has, or not at all."""

    def extend(self, pool: Pool, *ports: int, ip: str = EIP, gateway_id: str = GATEWAY):
        claim = spec(600, ip=ip, gateway_id=gateway_id)
        found = pool.extend(claim, demand(*ports), 0.0)
        return found.message if isinstance(found, Shortage) else [p.external for p in found]

    def test_on_the_same_ip(self):
        pool = pool_of(eips={GATEWAY: [eip("1.1.1.1"), eip("2.2.2.2")]})
        pool.claim("a", "", spec(600, ip="2.2.2.2"), 0.0)
        found = pool.extend(spec(600, ip="2.2.2.2"), demand(443), 0.0)
        assert found == (PortMapping(601, 443, TCP),)
        assert self.extend(pool, 80, 443, ip="2.2.2.2") == [601, 602]

    def test_not_where_the_table_is_full(self):
        pool = pool_of(offer(max_entries=1))
        pool.claim("a", "", spec(600), 0.0)
        assert self.extend(pool, 443) == f"{GATEWAY}: its table is full (1 of 1 entries)"

    def test_not_on_a_gateway_with_a_problem(self):
        pool = pool_of()
        pool.describe(GATEWAY, [eip()], "is locked")
        assert self.extend(pool, 443) == f"{GATEWAY}: is locked"
        assert self.extend(pool, 443, gateway_id="ngw-9") == "ngw-9: not in the configuration"

    def test_not_without_a_free_port(self):
        pool = pool_of(offer(ports="600/601"))
        pool.claim("a", "", spec(600), 0.0)
        assert self.extend(pool, 443, 8080) == f"{GATEWAY}: no 2 free tcp ports are left on {EIP}"

    @pytest.mark.parametrize(
        ("eips", "why"),
        [
            ([], "is not in the pool any more"),
            ([eip("2.2.2.2")], "is not in the pool any more"),
            ([eip(EIP, "is locked")], "is locked"),
        ],
        ids=["none", "other", "locked"],
    )
    def test_not_on_an_ip_that_is_not_in_the_pool_any_more(self, eips, why):
        """Else each try would claim another endpoint that can never be used."""
        pool = pool_of(eips={GATEWAY: eips})
        pool.claim("a", "", spec(600), 0.0)
        assert self.extend(pool, 443) == f"{GATEWAY}: {EIP} {why}"

    def test_not_on_an_ip_that_somebody_mapped_whole(self):
        mapping = row("fwd-1", f"{EIP}:Any", "10.0.0.9:Any", protocol=None)
        pool = pool_of(rows={GATEWAY: [mapping]})
        assert self.extend(pool, 443) == f"{GATEWAY}: {EIP} is mapped whole to 10.0.0.9 by fwd-1"

    def test_it_says_when_to_try_again_even_of_an_unknown_gateway(self):
        """The configuration may name others that have room by then."""
        pool = pool_of()
        pool.retire([endpoint(601)], 0.0)
        found = pool.extend(spec(600, gateway_id="ngw-9"), demand(443), 20.0)
        assert isinstance(found, Shortage)
        assert found.retry_in == QUARANTINE - 20.0

    def test_it_says_when_to_try_again(self):
        pool = pool_of(offer(ports="600/601"))
        pool.claim("a", "", spec(600), 0.0)
        pool.retire([endpoint(601)], 0.0)
        found = pool.extend(spec(600), demand(443), 20.0)
        assert isinstance(found, Shortage)
        assert found.retry_in == QUARANTINE - 20.0

    def test_an_ip_that_the_cloud_refused_gets_more_only_if_it_did_not_say_so_of_all(self):
        pool = pool_of()
        pool.trust.mark(Target(GATEWAY, EIP), "Some.New.Code", 0.0)
        assert self.extend(pool, 443) == [600]
        pool.trust.mark(Target(GATEWAY, EIP), "InvalidIp.NotInNatgw", 0.0, firm=True)
        assert isinstance(pool.extend(spec(600), demand(443), 59.0), Shortage)
        assert not isinstance(pool.extend(spec(600), demand(443), 60.0), Shortage)


class TestKeeping:
    """A claim that has lost its rows: whether they may be made again just so."""

    def test_where_nothing_has_come_in_its_way(self):
        assert pool_of().can_keep(spec(600), 0.0, "games")

    def test_not_on_a_gateway_with_a_problem(self):
        pool = pool_of()
        pool.describe(GATEWAY, [eip()], "is locked")
        assert not pool.can_keep(spec(600), 0.0, "games")

    def test_not_on_a_gateway_that_nothing_is_known_of(self):
        assert not pool_of().can_keep(spec(600, gateway_id="ngw-9"), 0.0, "games")
        assert not Pool([offer()], {}, QUARANTINE).can_keep(spec(600), 0.0, "games")
        assert not Pool([], {GATEWAY: view()}, QUARANTINE).can_keep(spec(600), 0.0, "games")
        pool = Pool([offer()], {}, QUARANTINE)
        pool.describe(GATEWAY, [eip()], "")
        assert not pool.can_keep(spec(600), 0.0, "games")

    def test_not_on_an_ip_that_somebody_mapped_whole(self):
        mapping = row("fwd-1", f"{EIP}:Any", "10.0.0.9:Any", protocol=None)
        pool = pool_of(rows={GATEWAY: [mapping]})
        assert not pool.can_keep(spec(600), 0.0, "games")

    def test_not_on_an_ip_that_is_locked(self):
        pool = pool_of(eips={GATEWAY: [eip(EIP, "is locked")]})
        assert not pool.can_keep(spec(600), 0.0, "games")

    def test_not_while_the_cloud_says_that_all_there_is_refused(self):
        pool = pool_of()
        pool.trust.mark(Target(GATEWAY, EIP), "Some.New.Code", 0.0)
        assert pool.can_keep(spec(600), 1.0, "games"), "that may be somebody else's fault"
        pool.trust.mark(Target(GATEWAY, EIP), "InvalidIp.NotInNatgw", 1.0, firm=True)
        assert not pool.can_keep(spec(600), 59.0, "games")
        assert pool.can_keep(spec(600), 60.0, "games")


class TestDescribedWell:
    """An IP of which the cloud said that it is not bound, and that it describes as bound."""

    REFUSED_AT = 10.0

    def pool(self) -> Pool:
        pool = pool_of()
        why = "InvalidIp.NotInNatgw"
        pool.trust.mark(Target(GATEWAY, EIP), why, self.REFUSED_AT, firm=True)
        return pool

    def test_by_who_was_asked_before_it_was_refused(self):
        pool = self.pool()
        assert not pool.describe(GATEWAY, [eip()], "", asked=9.0)
        assert not pool.can_keep(spec(600), 12.0, "games")

    def test_by_who_was_asked_afterwards_it_may_be_tried_once_more(self):
        pool = self.pool()
        assert pool.describe(GATEWAY, [eip()], "", asked=11.0)
        assert pool.can_keep(spec(600), 12.0, "games")
        pool.trust.mark(Target(GATEWAY, EIP), "InvalidIp.NotInNatgw", 12.0, firm=True)
        assert not pool.describe(GATEWAY, [eip()], "", asked=13.0)
        assert not pool.can_keep(spec(600), 14.0, "games"), "described well, and refused"

    def test_bound_anew_it_may_be_tried_however_often_it_was_refused(self):
        pool = self.pool()
        pool.trust.mark(Target(GATEWAY, EIP), "InvalidIp.NotInNatgw", 100.0, firm=True)
        pool.describe(GATEWAY, [], "", asked=101.0)
        assert pool.describe(GATEWAY, [eip()], "", asked=102.0)
        assert pool.can_keep(spec(600), 103.0, "games")

    def test_what_was_refused_for_reasons_of_its_own_stays_so(self):
        pool = pool_of()
        pool.trust.mark(Target(GATEWAY, EIP), "Some.New.Code", self.REFUSED_AT)
        assert not pool.describe(GATEWAY, [eip()], "", asked=11.0)


class TestHeir:
    """A claim whose external IP is bound to another gateway by now."""

    NEXT = "ngw-2"

    def pool(self, rows=(), **offered) -> Pool:
        return pool_of(
            offer(),
            offer(gateway_id=self.NEXT, **offered),
            eips={GATEWAY: [], self.NEXT: [eip()]},
            rows={GATEWAY: [], self.NEXT: list(rows)},
        )

    def heir(self, pool: Pool, *externals: int) -> str:
        return pool.heir(spec(*externals), 0.0, "games")

    def test_is_the_gateway_that_has_it(self):
        assert self.heir(self.pool(), 600, 601) == self.NEXT

    def test_is_none_where_no_other_has_it(self):
        assert self.heir(pool_of(), 600) == ""

    def test_is_none_for_a_claim_to_nothing(self):
        assert self.heir(self.pool()) == ""

    def test_is_none_that_would_not_take_all_of_it(self):
        assert self.heir(self.pool(), 600, 6000) == ""
        in_the_way = row("fwd-1", f"{EIP}:601", "10.0.0.9:80")
        assert self.heir(self.pool([in_the_way]), 600, 601) == ""
        assert self.heir(self.pool(max_entries=1), 600, 601) == ""
        assert self.heir(self.pool(namespaces=("others",)), 600) == ""

    def test_is_none_that_is_being_drained(self):
        pool = self.pool()
        order = Order(OrderKind.DRAIN, f"gateway/{self.NEXT}")
        pool.orders = Orders((order,))
        assert self.heir(pool, 600) == ""
        why = f"{self.NEXT} has it now, and {order.what}"
        assert pool.drained_heir(spec(600), 0.0, "games") == why
        assert pool.drained_heir(spec(6000), 0.0, "games") == ""

    @pytest.mark.parametrize("serves", ["games", "others"])
    def test_one_that_is_drained_is_named_to_those_whom_it_serves(self, serves):
        pool = self.pool(namespaces=(serves,))
        pool.orders = Orders((Order(OrderKind.DRAIN, f"gateway/{self.NEXT}"),))
        assert bool(pool.drained_heir(spec(600), 0.0, "games")) is (serves == "games")

    def test_is_the_gateway_that_has_it_though_the_ip_is_being_drained(self):
        pool = self.pool()
        pool.orders = Orders((Order(OrderKind.DRAIN, f"eip/{EIP}"),))
        assert self.heir(pool, 600) == self.NEXT
        assert pool.drained_heir(spec(600), 0.0, "games") == ""


def test_endpoints_are_written_as_people_write_them():
    assert str(Endpoint("1.1.1.1", 600, UDP)) == "1.1.1.1:600/udp"


class TestWhatIsSaidOfAShortage:
    """What is true: how many were asked for, and what there is."""

    def test_of_more_ports_than_are_handed_out(self):
        pool = pool_of(offer(ports="600/609"))
        assert got(pool.pick(demand(*range(1, 51)), 0.0)) == [
            f"{GATEWAY}: 50 ports are asked for, and only 10 of each EIP are handed out (600-609)"
        ]

    def test_of_more_ports_than_are_free(self):
        pool = pool_of(offer(ports="600/609"))
        take(pool, "a", *range(1, 9))
        assert got(pool.pick(demand(1, 2, 3), 0.0)) == [
            f"{GATEWAY}: none of its EIPs has 3 free tcp ports in 600-609"
        ]
        assert got(pool.pick(demand((1, TCP), (2, TCP), (3, UDP)), 0.0)) != []

    def test_of_one_protocol_alone(self):
        pool = pool_of(offer(ports="600/601"))
        take(pool, "a", 1, 2)
        for more in ([(3, TCP), (4, UDP)], [(4, UDP), (5, UDP), (3, TCP)]):
            assert got(pool.pick(demand(*more), 0.0)) == [
                f"{GATEWAY}: no free tcp port is left in 600-601 on its EIPs"
            ]
        assert got(pool.extend(spec(600), demand((3, TCP), (4, UDP)), 0.0)) == [
            f"{GATEWAY}: no free tcp port is left on {EIP}"
        ]
        assert got(pool.extend(spec(600), demand((3, TCP), (4, TCP)), 0.0)) == [
            f"{GATEWAY}: no 2 free tcp ports are left on {EIP}"
        ]
        assert isinstance(pool.extend(spec(600), demand((4, UDP), (5, UDP)), 0.0), tuple)

    def test_of_another_protocol_on_each_ip(self):
        pool = pool_of(offer(ports="600/600"), eips={GATEWAY: [eip("1.1.1.1"), eip("2.2.2.2")]})
        pool.claim("a", "", spec(600, ip="1.1.1.1"), 0.0)
        pool.claim("b", "", spec(600, ip="2.2.2.2", protocol=UDP), 0.0)
        assert got(pool.pick(demand((1, TCP), (2, UDP)), 0.0)) == [
            f"{GATEWAY}: none of its EIPs has enough free ports of tcp and udp in 600-600"
        ]

    def test_what_rests_is_counted(self):
        pool = pool_of(offer(ports="600/601"))
        take(pool, "a", 1, 2)
        pool.unclaim("a", 0.0)
        short = pool.pick(demand(1), 20.0)
        assert (short.resting, short.retry_in) == (2, QUARANTINE - 20.0)
        assert isinstance(pool.pick(demand(1), QUARANTINE), Allocation)


class TestReserved:
    """A gateway of the configuration that is for some namespaces only."""

    OFFERS = (offer(), offer("ngw-2", namespaces=("vip-*", "arena")))

    @pytest.mark.parametrize(
        ("namespace", "where"), [("vip-1", "2.2.2.2"), ("arena", "2.2.2.2"), ("shop", "1.1.1.1")]
    )
    def test_its_namespaces_go_there_first_and_others_never(self, namespace: str, where: str):
        pool = pool_of(*self.OFFERS)
        pool.claim("uid-other", "", spec(600, 601, ip="2.2.2.2", gateway_id="ngw-2"), 0.0)
        found = pool.pick(replace(demand(80), namespace=namespace), 0.0)
        assert found.external_ip == where

    def test_others_are_told_so_when_there_is_nothing_else(self):
        pool = pool_of(self.OFFERS[1])
        found = pool.pick(replace(demand(80), namespace="shop"), 0.0)
        assert got(found) == ["ngw-2: is reserved for namespaces vip-*, arena"]

    def test_its_namespaces_have_the_others_besides(self):
        pool = pool_of(self.OFFERS[0], replace(self.OFFERS[1], ports=PortRange(600, 600)))
        pool.claim("uid-other", "", spec(600, ip="2.2.2.2", gateway_id="ngw-2"), 0.0)
        found = pool.pick(replace(demand(80), namespace="vip-1"), 0.0)
        assert found.external_ip == "1.1.1.1"

    def test_a_claim_there_of_another_namespace_gets_no_more_ports(self):
        pool = pool_of(*self.OFFERS)
        there = spec(600, ip="2.2.2.2", gateway_id="ngw-2")
        found = pool.extend(there, replace(demand(443), namespace="shop"), 0.0)
        assert got(found) == ["ngw-2: is reserved for namespaces vip-*, arena"]
        assert not pool.can_keep(there, 0.0, "shop")
        assert pool.can_keep(there, 0.0, "arena")
