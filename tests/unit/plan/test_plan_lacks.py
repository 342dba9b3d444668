"""Plan: what a claim is given, and how long it waits, where pool, cloud or others say no."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from dnatctl.model import PortRange
from dnatctl.objects import PodDNATSpec
from dnatctl.plan.exposure import Ask, Exposure, Problem, Rules, in_grace, read_exposure
from dnatctl.plan.values import Plan, Policy, TakeOver, quota_used_up
from dnatctl.plan.waits import LOOK_AGAIN_S
from dnatctl.pool import Target
from tests.unit.plan.made import (
    BOTH,
    EIP,
    GATEWAY,
    KEY,
    NOW,
    ONE,
    OTHER,
    POD_IP,
    WALL,
    WEB,
    Scene,
    condition,
    create,
    entries,
    mine,
    pod,
    ready,
    reclaimed,
    record,
    spec,
    stamp,
)
from tests.unit.pool.made import endpoint, offer
from tests.unit.table.made import row

OURS = (offer(namespaces=("games",)),)
LOST = record(claim=replace(spec(), ports=()))


class TestWhatRests:
    """Endpoints that rest come back by themselves: when is told, though it is no news each time."""

    def short(self, **more) -> Plan:
        scene = Scene(pod=pod(), offers=(offer(ports="600/600"),), **more)
        scene.pool.retire([endpoint(600)], NOW - 20.0)
        return scene.plan()

    def test_it_is_told_when_the_next_is_free(self):
        assert self.short().problem.text.endswith(
            "(1 endpoint rests after use, the next until 12:00:40 UTC)"
        )

    def test_of_several_as_well(self):
        scene = Scene(pod=pod(), offers=(offer(ports="600/601"),))
        scene.pool.retire([endpoint(600), endpoint(601)], NOW - 20.0)
        assert "(2 endpoints rest after use, the next" in scene.plan().problem.text

    def test_where_nothing_rests_nothing_is_told_of_it(self):
        made = Scene(pod=pod(), offers=(offer(ports="600/600"),), others={OTHER: spec()}).plan()
        assert made.problem.reason == "PoolExhausted"
        assert made.problem.text == made.problem.message

    def test_nor_where_it_is_the_cloud_that_is_waited_for(self):
        scene = Scene(pod=pod(), offers=(offer(ports="600/600"),), others={OTHER: spec()})
        scene.pool.trust.mark(Target(GATEWAY, EIP), "no", NOW)
        made = scene.plan()
        assert made.retry_in is not None
        assert made.problem.text == made.problem.message


class TestOffersForOneNamespace:
    """What is kept for a namespace is for its pods at every step of a claim's life."""

    def test_a_first_claim(self):
        assert Scene(pod=pod(), offers=OURS).plan().step.spec == spec()

    def test_one_asked_for_in_doubt(self):
        asked = spec((605, 80))
        assert Scene(pod=pod(), offers=OURS).plan(asked=asked).step.spec == asked

    def test_one_that_grows(self):
        made = Scene(WEB, pod=BOTH, record=ONE, offers=OURS).plan()
        assert [p.internal for p in reclaimed(made).ports] == [80, 443]

    def test_one_that_begins_anew(self):
        made = Scene(pod=pod(), record=LOST, offers=OURS).plan()
        assert [p.internal for p in reclaimed(made).ports] == [80]


class TestAskedInDoubt:
    """Endpoints that a lost answer may have given the name are what it is given."""

    def test_to_a_claim_that_grows(self):
        made = Scene(WEB, pod=BOTH, record=ONE).plan(asked=spec((607, 443)))
        assert [p.external for p in reclaimed(made).ports] == [600, 607]
        assert reclaimed(made).external_ip == EIP

    def test_to_one_that_begins_anew(self):
        made = Scene(pod=pod(), record=LOST).plan(asked=spec((607, 80)))
        assert [p.external for p in reclaimed(made).ports] == [607]

    @pytest.mark.parametrize(
        "elsewhere", [{"external_ip": "2.2.2.2", "gateway_id": "ngw-2"}, {"external_ip": "1.1.1.2"}]
    )
    def test_not_of_another_place_to_a_claim_that_stays(self, elsewhere):
        offers = (offer(), offer("ngw-2"))
        asked = spec((608, 443), **elsewhere)
        made = Scene(WEB, pod=BOTH, record=ONE, offers=offers).plan(asked=asked)
        assert [p.external for p in reclaimed(made).ports] == [600, 601]

    def test_of_wherever_it_was_asked_for_to_a_new_one(self):
        asked = spec((607, 80), external_ip="2.2.2.2", gateway_id="ngw-2")
        made = Scene(pod=pod(), offers=(offer(), offer("ngw-2"))).plan(asked=asked)
        assert (made.step.spec.gateway_id, made.step.spec.external_ip) == ("ngw-2", "2.2.2.2")

    def test_not_where_the_cloud_refuses_everything_by_now(self):
        scene = Scene(pod=pod(), offers=(offer(), offer("ngw-2")))
        scene.pool.trust.mark(Target(GATEWAY, EIP), "no", NOW, firm=True)
        assert scene.plan(asked=spec((607, 80))).step.spec.gateway_id == "ngw-2"


def test_a_claim_does_not_grow_by_what_the_cloud_refused_it():
    scene = Scene(WEB, pod=BOTH, record=ONE)
    scene.pool.trust.refused(ONE.uid, GATEWAY, endpoint(601), "no", NOW)
    assert [p.external for p in reclaimed(scene.plan()).ports] == [600, 602]


class TestWaits:
    def looks_again(self, ago: float, told: str = "") -> float | None:
        conditions = (ready("False", told, "not reachable yet"),) if told else ()
        waiting = record((600, 80), conditions=conditions, created=stamp(ago))
        scene = Scene(record=waiting, pod=pod())
        made = scene.plan()
        if made.step is not None:
            waiting = replace(waiting, status=made.step.status)
            made = Scene(record=waiting, pod=pod()).plan()
        return made.retry_in

    @pytest.mark.parametrize(("ago", "left"), [(0.0, 10.0), (4.0, 6.0), (9.0, 1.0)])
    def test_a_young_claim_is_looked_at_when_its_wait_is_worth_a_word(self, ago, left):
        assert self.looks_again(ago) == left

    @pytest.mark.parametrize("ago", [10.0, 60.0])
    def test_one_that_was_told_is_looked_at_now_and_then(self, ago):
        assert self.looks_again(ago) == LOOK_AGAIN_S

    def test_one_that_served_before_is_not(self):
        assert self.looks_again(60.0, "EntriesPending") is None

    def test_the_clock_of_another_that_is_ahead_is_not_waited_for(self):
        assert self.looks_again(-60.0) is None


class TestSquatters:
    HELD = row("fwd-9", f"{EIP}:700", f"{POD_IP}:80", owner=OTHER)

    @pytest.mark.parametrize(
        ("names", "whose"), [({}, "a PodDNAT that is gone"), ({OTHER: KEY}, f"PodDNAT {KEY}")]
    )
    def test_whose_row_it_is_is_told(self, names, whose):
        scene = Scene(self.HELD, record=record((600, 80)), pod=pod(), names=names, stated_for=5.0)
        text = f"{POD_IP}:80/tcp still has a DNAT entry of {whose}: fwd-9"
        assert condition(scene.plan())[2].startswith(text)


class TestGrace:
    DENIED = Rules(denial=lambda _: "no", grace_s=300.0)

    def test_the_last_half_second_is_of_it(self):
        exposure = read_exposure(pod(), self.DENIED)
        assert in_grace(exposure, 0.5, WALL).ask is exposure.ask
        assert in_grace(exposure, 0.0, WALL).ask is not exposure.ask

    @pytest.mark.parametrize("left_s", [-1.0, 0.0, 90.0])
    @pytest.mark.parametrize("a_pod", [None, pod(), pod(annotations={})])
    def test_what_is_not_denied_has_none_and_needs_none(self, a_pod, left_s):
        exposure = read_exposure(a_pod, Rules())
        assert in_grace(exposure, left_s, WALL) == exposure

    @pytest.mark.parametrize(
        "exposure",
        [Exposure(Ask.NO_ADDRESS, problem=Problem("AddressTaken", "no")), Exposure(Ask.KEEP)],
    )
    def test_nor_has_what_is_kept_from_it_for_another_reason_or_for_none(self, exposure):
        assert in_grace(exposure, 0.0, WALL) == exposure


def test_an_outage_is_told_although_the_pods_ip_changed_too():
    dark = "EIP 1.1.1.1 is not bound to it any more: bind it again"
    made = Scene(WEB, record=ONE, pod=pod(ip="10.0.0.7")).plan(outage=dark)
    assert entries(made) == []
    assert condition(made)[1] == "GatewayUnusable"


def test_a_changed_ip_is_told_before_a_mistake_in_an_annotation():
    made = Scene(WEB, record=ONE, pod=pod("44x", ip="10.0.0.7")).plan()
    assert condition(made)[1] == "AddressChanged"


def test_several_lost_entries_are_told_by_their_addresses():
    tls = row("fwd-2", f"{EIP}:601", f"{POD_IP}:443", owner=ONE.uid)
    two = record((600, 80), (601, 443), entries=[WEB, tls], conditions=(ready(),))
    gone = Scene(record=two, pod=BOTH).plan()
    assert condition(gone)[2].endswith("somebody else changed or deleted fwd-1, fwd-2")
    dropped = Scene(WEB, tls, record=two, pod=pod("22")).plan()
    first, second = two.spec.endpoints()
    assert condition(dropped)[2].endswith(f"are no longer asked for: {first}, {second}")


def test_a_poddnat_made_at_the_moment_a_migration_began_is_of_before_it():
    migration = TakeOver(WALL, ())
    assert migration.believes(replace(ONE, created=stamp()))
    assert not migration.believes(replace(ONE, created=stamp(-1.0)))
    assert TakeOver(WALL + timedelta(seconds=1), ()).believes(replace(ONE, created=stamp(-1.0)))


def test_a_port_that_is_not_denied_gets_back_the_row_that_it_lost():
    policy = Policy(denied_ports=(PortRange(22, 22),))
    lost = record((600, 80))
    assert Scene(record=lost, pod=pod("nonsense"), policy=policy).plan().writes == (create(),)


@pytest.mark.parametrize(
    ("claimed", "listed", "asks"),
    [
        (spec((600, 443)), WEB, "443"),
        (spec((700, 80)), WEB, "80"),
        (spec((600, 80)), mine("fwd-1", f"{EIP}:600", "10.0.0.9:80"), "80"),
    ],
    ids=["another port", "another endpoint", "another IP"],
)
def test_nobody_is_blamed_for_a_row_that_is_not_what_is_claimed(claimed, listed, asks):
    """The claim or the status was written by hand, and the row is gone."""
    edited = record(claim=claimed, entries=[listed], conditions=(ready(),))
    made = Scene(record=edited, pod=pod(asks)).plan()
    assert entries(made) == []
    assert made.step.drifted == ()


def test_what_uses_a_quota_up_is_told():
    assert quota_used_up("games", 3, 2, 1).detail == "2 are claimed, 1 rest after use"


def test_a_record_that_claims_nothing_is_no_trouble_to_fill_in():
    made = Scene(pod=pod(), record=record(claim=PodDNATSpec()), offers=OURS).plan()
    assert reclaimed(made).gateway_id == GATEWAY
