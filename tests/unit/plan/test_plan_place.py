"""Hold: where a claim may stay, and when it has to move."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from dnatctl.plan.exposure import Problem
from dnatctl.plan.values import Plan, Reclaim, Retire
from dnatctl.pool import GatewayPool, Target
from dnatctl.table.writes import DeleteRow, Refused
from tests.unit.plan.made import (
    BOTH,
    ME,
    NOW,
    ONE,
    OTHER,
    WEB,
    Scene,
    condition,
    create,
    delete,
    entries,
    mine,
    new_row,
    offer,
    pod,
    ports,
    ready,
    reclaimed,
    record,
    refused,
    retired,
    spec,
    stamp,
)
from tests.unit.pool.made import QUARANTINE, eip, endpoint
from tests.unit.table.made import (
    DELETING,
    EIP,
    GATEWAY,
    PENDING,
    POD_IP,
    UDP,
    row,
    view,
)


class TestCompetition:
    def test_the_weaker_claim_gives_way(self):
        scene = Scene(record=record((600, 80)), pod=pod(), others={OTHER: spec((600, 80))})
        assert retired(scene.plan()) == [600]
        made = scene.plan(durable=frozenset({endpoint(600)}))
        assert reclaimed(made).ports == ports((601, 80))

    def test_a_claim_that_the_pool_has_not_heard_of_yet_stays(self):
        scene = Scene(WEB, record=ONE, pod=pod())
        scene.pool.unclaim(ME, NOW)
        assert scene.plan() == Plan()

    def test_the_one_with_the_row_stays(self):
        scene = Scene(WEB, record=ONE, pod=pod(), others={OTHER: spec((600, 80))})
        assert scene.plan() == Plan()

    @pytest.mark.parametrize(
        "foreign",
        [
            row("fwd-9", f"{EIP}:600", "10.0.0.9:80"),
            row("fwd-9", f"{EIP}:590/600", "10.0.0.9:590/600"),
            row("fwd-9", f"{EIP}:600", "10.0.0.9:80", owner=OTHER),
            row("fwd-9", f"{EIP}:600", "10.0.0.9:80", status=DELETING),
        ],
    )
    def test_a_row_of_others_on_the_endpoint_ends_the_claim_to_it(self, foreign):
        scene = Scene(foreign, record=record((600, 80)), pod=pod())
        made = scene.plan(durable=frozenset({endpoint(600)}))
        (port,) = reclaimed(made).ports
        assert not scene.tables[GATEWAY].covering(reclaimed(made).endpoint(port))

    def test_a_resting_endpoint_is_given_up(self):
        scene = Scene(record=record((600, 80)), pod=pod())
        scene.pool.retire([endpoint(600)], NOW)
        made = scene.plan(durable=frozenset({endpoint(600)}))
        assert reclaimed(made).ports == ports((601, 80))


class TestOutOfThePool:
    def test_a_port_that_left_the_range_is_used_as_long_as_it_has_a_row(self):
        narrow = (offer(ports="700/709"),)
        assert Scene(WEB, record=ONE, pod=pod(), offers=narrow).plan() == Plan()

    def test_and_moves_when_it_has_lost_it(self):
        scene = Scene(record=record((600, 80)), pod=pod(), offers=(offer(ports="700/709"),))
        made = scene.plan(durable=frozenset({endpoint(600)}))
        assert reclaimed(made).ports == ports((700, 80))

    def test_an_address_that_left_the_pool_likewise(self):
        scene = Scene(record=record((600, 80)), pod=pod(), eips={GATEWAY: [eip("2.2.2.2")]})
        made = scene.plan(durable=frozenset({endpoint(600)}))
        assert reclaimed(made).external_ip == "2.2.2.2"
        used = Scene(WEB, record=ONE, pod=pod(), eips={GATEWAY: [eip("2.2.2.2")]})
        assert used.plan() == Plan()

    @pytest.mark.parametrize(("reserved_for", "stays"), [("games", True), ("others", False)])
    def test_a_gateway_that_is_reserved_for_other_namespaces_likewise(self, reserved_for, stays):
        offers = (offer(namespaces=(reserved_for,)), offer("ngw-2"))
        lost = Scene(record=record((600, 80)), pod=pod(), offers=offers).plan()
        assert isinstance(lost.step, Retire) is not stays
        used = Scene(WEB, record=ONE, pod=pod(), offers=offers)
        assert used.plan() == Plan()

    def test_but_not_one_that_was_reserved_after_it_was_claimed(self):
        scene = Scene(record=record((600, 80)), pod=pod(), offers=(offer(), offer("ngw-2")))
        scene.pool.offer_again([offer(namespaces=("others",)), offer("ngw-2")], QUARANTINE)
        assert scene.plan().writes == (create("600", "80"),)

    def test_even_while_the_gateway_is_in_trouble(self):
        """The range is the configuration's: no trouble of the gateway explains a port outside."""
        scene = Scene(record=record((600, 80)), pod=pod(), offers=(offer(ports="700/709"),))
        scene.pool.describe(GATEWAY, [], "is being upgraded")
        assert retired(scene.plan()) == [600]

    def test_not_while_the_gateway_is_in_trouble(self):
        """It may be described wrongly just now: what it cannot serve today it may tomorrow."""
        scene = Scene(record=record((600, 80)), pod=pod())
        scene.pool.describe(GATEWAY, [], "is being upgraded")
        made = scene.plan()
        assert made.problem == Problem("GatewayUnusable", f"{GATEWAY}: is being upgraded")
        assert made.writes == (create("600", "80"),), "the writer waits for the gateway"

    def test_what_has_no_row_yet_goes_where_there_is_another_gateway(self):
        """A gateway that failed between the claim and the row holds nobody up."""
        scene = Scene(record=record((600, 80)), pod=pod(), offers=(offer(GATEWAY), offer("ngw-2")))
        scene.pool.describe(GATEWAY, [], "is being upgraded")
        assert retired(scene.plan()) == [600]
        moved = scene.plan(durable=frozenset({endpoint(600)}))
        assert reclaimed(moved).gateway_id == "ngw-2"
        assert moved.step.refused == "is being upgraded"

    def test_what_has_a_row_stays(self):
        scene = Scene(
            mine(status=PENDING),
            record=record((600, 80)),
            pod=pod(),
            offers=(offer(GATEWAY), offer("ngw-2")),
        )
        scene.pool.describe(GATEWAY, [], "is being upgraded")
        made = scene.plan()
        assert (made.step, made.writes) == (None, ())

    def test_and_so_does_a_fixed_pod(self):
        scene = Scene(
            record=record((600, 80), fixed=True),
            pod=pod(fixed=True),
            offers=(offer(GATEWAY), offer("ngw-2")),
        )
        scene.pool.describe(GATEWAY, [], "is being upgraded")
        made = scene.plan()
        assert made.writes == (create("600", "80"),)

    def test_a_fixed_pod_waits_for_its_eip_to_be_bound_again(self):
        """It may be unbound for a moment only, or be described wrongly just now."""
        known = {"record": record((600, 80), fixed=True), "pod": pod(fixed=True)}
        away = Scene(**known, eips={GATEWAY: [eip("2.2.2.2")]})
        assert away.plan() == Plan(), "a row would be refused"
        outage = away.plan(outage="EIP 1.1.1.1 is not bound to it any more")
        assert condition(outage)[1] == "GatewayUnusable"
        assert Scene(**known).plan().writes == (create("600", "80"),)

    def test_the_more_so_for_one_that_the_configuration_names(self):
        known = {"record": record((600, 80), fixed=True), "pod": pod(fixed=True)}
        named = (GatewayPool(GATEWAY, offer().ports, eips=(EIP, "2.2.2.2")),)
        assert Scene(**known, offers=named, eips={GATEWAY: [eip("2.2.2.2")]}).plan() == Plan()

    def test_not_for_one_that_the_configuration_names_no_more(self):
        known = {"record": record((600, 80), fixed=True), "pod": pod(fixed=True)}
        named = (GatewayPool(GATEWAY, offer().ports, eips=("2.2.2.2",)),)
        scene = Scene(**known, offers=named, eips={GATEWAY: [eip("2.2.2.2")]})
        assert retired(scene.plan()) == [600]

    @pytest.mark.parametrize("fixed", [False, True])
    def test_nor_does_it_leave_an_eip_that_is_refused_while_it_is_being_bound(self, fixed):
        scene = Scene(
            record=record((600, 80), fixed=fixed),
            pod=pod(fixed=fixed),
            offers=(offer(GATEWAY), offer("ngw-2")),
            refusals=refused(new_row("600", "80"), Refused.UNUSABLE),
        )
        made = scene.plan()
        assert (retired(made) == [600]) if not fixed else made.writes == (create("600", "80"),)

    @pytest.mark.parametrize(
        ("fixed", "served", "waits"),
        [(True, False, False), (False, True, False), (True, True, True)],
    )
    def test_only_a_fixed_one_that_may_have_been_in_use_waits_for_it(self, fixed, served, waits):
        scene = Scene(
            record=record((600, 80), fixed=fixed),
            pod=pod(fixed=fixed),
            offers=(offer(GATEWAY), offer("ngw-2")),
            refusals=refused(new_row("600", "80"), Refused.UNUSABLE),
        )
        if served:
            scene.pool.trust.accepted(ME, GATEWAY, EIP, NOW)
        assert isinstance(scene.plan(made_here=True).step, Retire) is not waits

    def test_a_gateway_that_left_the_configuration_is_kept_while_it_is_used(self):
        old = record((600, 80), claim=spec((600, 80), gateway_id="ngw-9"))
        known = {"ngw-9": view(mine(), gateway_id="ngw-9")}
        made = Scene(record=old, pod=pod(), tables=known).plan()
        assert entries(made) == ["fwd-1"]

    def test_a_gateway_that_does_not_exist_any_more_is_left(self):
        offers = (offer(GATEWAY), offer("ngw-2"))
        made = Scene(record=record((600, 80)), pod=pod(), offers=offers)
        assert retired(made.plan(absent=frozenset({GATEWAY}))) == [600]
        made.pool.describe(GATEWAY, [], "does not exist")
        moved = made.plan(absent=frozenset({GATEWAY}), durable=frozenset({endpoint(600)}))
        assert (reclaimed(moved).gateway_id, reclaimed(moved).external_ip) == ("ngw-2", "2.2.2.2")

    def test_even_if_its_table_could_never_be_read(self):
        scene = Scene(record=record((600, 80)), pod=pod(), tables={GATEWAY: view(read=False)})
        assert retired(scene.plan(absent=frozenset({GATEWAY}))) == [600]

    def test_without_another_the_claim_is_empty_until_there_is_room(self):
        scene = Scene(record=record((600, 80)), pod=pod(), offers=(offer(ports="600/600"),))
        scene.pool.retire([endpoint(600)], NOW - 10.0)
        lost = scene.plan(durable=frozenset({endpoint(600)}))
        assert reclaimed(lost).ports == ()
        empty = Scene(record=record(claim=reclaimed(lost)), pod=pod(), offers=())
        made = empty.plan()
        assert made.problem == Problem("PoolExhausted", "no gateway is left to try")
        assert condition(made) == ("False", "PoolExhausted", "no gateway is left to try")
        found = Scene(record=record(claim=reclaimed(lost)), pod=pod()).plan()
        assert reclaimed(found).ports == ports((600, 80))

    def test_an_empty_claim_is_never_ready(self):
        empty = record(claim=replace(spec(), ports=()))
        made = Scene(record=empty, pod=pod("nonsense")).plan()
        assert condition(made)[:2] == ("False", "InvalidAnnotation")


class TestRefusedForQuota:
    GATEWAYS = (offer(GATEWAY), offer("ngw-2"))
    REFUSALS = refused(new_row("600", "80"), Refused.QUOTA)

    def test_a_claim_that_never_worked_moves(self):
        scene = Scene(record=record((600, 80)), pod=pod(), offers=self.GATEWAYS)
        assert retired(scene.plan(refusals=self.REFUSALS)) == [600]
        made = scene.plan(refusals=self.REFUSALS, durable=frozenset({endpoint(600)}))
        assert reclaimed(made).gateway_id == "ngw-2"

    def test_and_gets_nothing_more_where_it_was_refused(self):
        """The row that it has there is to go first."""
        scene = Scene(WEB, record=record((600, 80), (601, 443)), pod=BOTH, offers=self.GATEWAYS)
        refusals = refused(new_row("601", "443"), Refused.QUOTA)
        made = scene.plan(refusals=refusals, durable=frozenset({endpoint(601)}))
        assert reclaimed(made).ports == ports((600, 80))

    def test_to_the_zone_of_the_pod_if_there_is_a_choice(self):
        offers = (offer(GATEWAY), offer("ngw-2", zone_id="z-2"), offer("ngw-3", zone_id="z-3"))
        scene = Scene(record=record((600, 80)), pod=pod(), offers=offers)
        durable = frozenset({endpoint(600)})
        made = scene.plan(refusals=self.REFUSALS, durable=durable, zone_id="z-3")
        assert reclaimed(made).gateway_id == "ngw-3"

    def test_not_back_to_where_it_was_refused(self):
        """The limit learned from the refusal has expired, the refusal itself stands."""
        scene = Scene(
            record=record((600, 80)),
            pod=pod(),
            offers=self.GATEWAYS,
            others={OTHER: spec((605, 1), (606, 2), gateway_id="ngw-2", external_ip="2.2.2.2")},
        )
        made = scene.plan(refusals=self.REFUSALS, durable=frozenset({endpoint(600)}))
        assert reclaimed(made).gateway_id == "ngw-2"

    def test_where_there_will_be_room_it_is_looked_again_whatever_else_is_done(self):
        narrow = (offer(GATEWAY), offer("ngw-2", ports="600/600"))
        scene = Scene(record=record((600, 80), (601, 80)), pod=pod(), offers=narrow)
        scene.pool.retire([endpoint(600, "2.2.2.2")], NOW - 20.0)
        made = scene.plan(refusals=self.REFUSALS)
        assert (retired(made), made.retry_in) == ([601], QUARANTINE - 20.0)

    def test_one_that_worked_stays_where_it_is(self):
        claimed = replace(ONE, spec=spec((600, 80), (601, 443)))
        scene = Scene(WEB, record=claimed, pod=BOTH, offers=self.GATEWAYS)
        refusals = refused(new_row("601", "443"), Refused.QUOTA)
        made = scene.plan(refusals=refusals)
        assert condition(made) == ("False", "QuotaExceeded", "quota: no")
        assert entries(made) == ["fwd-1"]
        assert made.writes == (create("601", "443", intent=f"1/{stamp(100)}"),)

    def test_nor_is_there_another_place(self):
        made = Scene(record=record((600, 80)), pod=pod()).plan(refusals=self.REFUSALS)
        assert condition(made) == ("False", "QuotaExceeded", "quota: no")
        assert made.writes == (create("600", "80"),)

    def test_refusals_of_other_rows_do_not_count(self):
        scene = Scene(record=record((600, 80)), pod=pod(), offers=self.GATEWAYS)
        for other in (
            new_row("601", "80"),
            new_row("600", "80", UDP),
            new_row("600", "80", external_ip="2.2.2.2"),
        ):
            assert scene.plan(refusals=refused(other, Refused.QUOTA)).step is None


def keeps_all(made: Plan) -> bool:
    """Whether no endpoint and no row is given up."""
    deletes = any(isinstance(write, DeleteRow) for write in made.writes)
    return not deletes and not isinstance(made.step, Retire | Reclaim)


class TestOfNoUse:
    """A claim that cannot be whole, and that nobody was told of, holds nothing that others need."""

    THREE = pod("80,443,8080")
    HALF = record((600, 80), (601, 443), (602, 8080))
    TLS = mine("fwd-2", f"{EIP}:601", f"{POD_IP}:443")
    FULL = refused(new_row("602", "8080"), Refused.QUOTA)

    def scene(self, *rows, limit: int = 2, **more) -> Scene:
        known = {"record": self.HALF, "pod": self.THREE, "refusals": self.FULL, **more}
        scene = Scene(*(rows or (WEB, self.TLS)), **known)
        scene.pool.learn_limit(GATEWAY, limit, NOW + 60.0)
        return scene

    def test_its_endpoints_go_where_the_table_is_too_full_for_all_of_them(self):
        assert retired(self.scene().plan()) == [602]
        made = self.scene().plan(durable=frozenset({endpoint(602)}))
        assert reclaimed(made).ports == ports((600, 80), (601, 443))

    def test_and_its_rows_with_nothing_new_until_there_is_room_for_all(self):
        made = self.scene(record=record((600, 80), (601, 443)), refusals={}).plan()
        assert set(made.writes) == {delete("fwd-1"), delete("fwd-2")}
        full = f"{GATEWAY}: its table is full (2 of 2 entries)"
        assert made.problem == Problem("PoolExhausted", full)

    def test_what_is_known_to_be_in_use_stays(self):
        served = record(
            (600, 80), (601, 443), (602, 8080), entries=[WEB, self.TLS], conditions=(ready(),)
        )
        made = self.scene(record=served).plan()
        assert keeps_all(made)
        assert entries(made) == ["fwd-1", "fwd-2"]

    def test_a_fixed_claim_may_have_been_in_use(self):
        fixed = record((600, 80), (601, 443), (602, 8080), fixed=True)
        a_pod = pod("80,443,8080", fixed=True)
        made = self.scene(record=fixed, pod=a_pod).plan()
        assert keeps_all(made)

    def test_an_outage_takes_nothing_from_who_was_served(self):
        made = self.scene().plan(outage="EIP 1.1.1.1 is locked")
        assert keeps_all(made)

    def test_with_room_for_all_the_rest_is_waited_for(self):
        made = self.scene(limit=3).plan()
        assert keeps_all(made)

    def test_nor_does_one_of_two_rows_keep_what_it_cannot_use(self):
        two = {"record": record((600, 80), (601, 443)), "pod": BOTH, "limit": 1}
        made = self.scene(WEB, refusals=refused(new_row("601", "443"), Refused.QUOTA), **two).plan()
        assert retired(made) == [601]

    def test_a_claim_of_one_row_holds_nothing(self):
        one = refused(new_row("600", "80"), Refused.QUOTA)
        known = {"record": record((600, 80)), "pod": pod(), "refusals": one, "limit": 1}
        assert self.scene(FOREIGN, **known).plan().writes == (create("600", "80"),)


FOREIGN = row("fwd-9", f"{EIP}:700", "10.0.0.9:80")


class TestRefusedWhereItIs:
    def test_a_claim_on_an_address_the_cloud_refuses_moves_to_another(self):
        both = {GATEWAY: [eip("1.1.1.1"), eip("2.2.2.2")]}
        scene = Scene(record=record((600, 80)), pod=pod(), eips=both)
        bad = Target(GATEWAY, "1.1.1.1")
        scene.pool.trust.mark(bad, "InvalidIp.NotInNatgw", NOW, firm=True)
        refusals = refused(new_row("600", "80"), Refused.UNUSABLE)
        made = scene.plan(refusals=refusals, durable=frozenset({endpoint(600)}))
        assert reclaimed(made).external_ip == "2.2.2.2"
