"""Refusals with a code of no table, and targets that the cloud refuses to others."""

from __future__ import annotations

import pytest

from dnatctl.model import Endpoint
from dnatctl.plan.case import UNFORESEEN_BELIEVED
from dnatctl.plan.values import Reclaim
from dnatctl.pool import Target
from dnatctl.table.writes import Refusal, Refused
from tests.unit.plan.made import (
    GATEWAY,
    ME,
    NOW,
    POD_IP,
    TCP,
    WEB,
    Scene,
    condition,
    create,
    mine,
    new_row,
    pod,
    ready,
    record,
)
from tests.unit.pool.made import eip, endpoint

OTHER = "2.2.2.2"
WEB_TLS = mine("fwd-2", "1.1.1.1:601", f"{POD_IP}:443")
BOTH = {GATEWAY: [eip("1.1.1.1"), eip(OTHER)]}
WHY = "Some.New.Code: no (request 1)"


def refused(count: int = UNFORESEEN_BELIEVED, ago: int = 1) -> dict:
    """The row of the claim was refused so often, so many readings ago."""
    return {new_row("600", "80"): Refusal(Refused.UNFORESEEN, count, 1 - ago, WHY)}


def tried(scene: Scene, *ports: int, ip: str = "1.1.1.1") -> Scene:
    for port in ports:
        scene.pool.trust.refused(ME, GATEWAY, Endpoint(ip, port, TCP), WHY, NOW)
    return scene


def scene(**more) -> Scene:
    return Scene(**{"record": record((600, 80)), "pod": pod(), "eips": BOTH, **more})


FREE = frozenset({endpoint(600)})


def test_one_refusal_is_tried_again_as_soon_as_the_table_was_read():
    assert scene().plan(refusals=refused(1)).writes == (create(),)
    assert scene().plan(refusals=refused(1, ago=0)).writes == (), "the table may tell why"


def test_one_refusal_may_be_an_accident_and_is_told_to_nobody():
    assert scene().plan(refusals=refused(1)).problem is None


def test_a_claim_that_was_never_usable_tries_another_port_then_another_ip():
    made = tried(scene(), 600).plan(refusals=refused(), durable=FREE)
    assert made.step.spec.endpoints() != (endpoint(600),)
    assert made.step.refused == WHY
    made = tried(scene(), 600, 601).plan(refusals=refused(), durable=FREE)
    assert made.step.spec.external_ip == OTHER


def test_where_nothing_is_better_it_stays_and_says_so():
    everywhere = tried(tried(scene(), 600, 601), 600, ip=OTHER)
    made = everywhere.plan(refusals=refused(9, ago=0))
    assert made.writes == (create(),), "it is tried again where it is"
    text = (
        f"1.1.1.1:600/tcp on {GATEWAY}: the cloud refuses the entry: {WHY}; nothing that dnatctl "
        "knows of is in its way; refused alike wherever it was tried (endpoints: 3, external IPs: "
        "2, gateways: 1); "
        "nothing better is left to try, it is tried again now and then"
    )
    assert condition(made) == ("False", "CloudRejected", text)


def test_not_before_the_table_was_read_once_more():
    everywhere = tried(tried(scene(), 600, 601), 600, ip=OTHER)
    assert everywhere.plan(refusals=refused(ago=0)).writes == ()


@pytest.mark.parametrize(("ports", "told"), [((), False), ((600,), False), ((600, 601), True)])
def test_how_widely_it_was_tried_is_told_where_that_was_on_several_endpoints(ports, told):
    kept = tried(scene(record=record((600, 80), fixed=True), pod=pod(fixed=True)), *ports)
    _, _, text = condition(kept.plan(refusals=refused()))
    alike = (
        "refused alike wherever it was tried (endpoints: 2, external IPs: 1, gateways: 1); "
        if told
        else ""
    )
    assert f"in its way; {alike}nothing better is left" in text


def test_a_fixed_claim_that_may_have_been_in_use_stays():
    kept = record((600, 80), fixed=True)
    for made_here, stays in ((False, True), (True, False)):
        it = tried(scene(record=kept, pod=pod(fixed=True)), 600, 601)
        made = it.plan(refusals=refused(), made_here=made_here, durable=FREE)
        assert isinstance(made.step, Reclaim) is not stays


def test_nor_does_it_change_one_of_its_ports():
    it = tried(scene(record=record((600, 80), fixed=True), pod=pod(fixed=True)), 600)
    assert not isinstance(it.plan(refusals=refused(), durable=FREE).step, Reclaim)


def test_a_claim_whose_rows_were_accepted_once_stays_if_it_is_fixed():
    it = scene(record=record((600, 80), fixed=True), pod=pod(fixed=True))
    it.pool.trust.accepted(ME, GATEWAY, "1.1.1.1", NOW)
    tried(it, 600, 601)
    made = it.plan(refusals=refused(), made_here=True, durable=FREE)
    assert not isinstance(made.step, Reclaim)


def test_a_port_of_a_claim_in_use_is_swapped_for_another_of_the_same_ip_once():
    used = record((601, 443), (600, 80), entries=[WEB_TLS], conditions=(ready(),))
    it = tried(Scene(WEB_TLS, record=used, pod=pod("443,80"), eips=BOTH), 600)
    made = it.plan(refusals=refused(), durable=FREE)
    assert made.step.spec.external_ip == "1.1.1.1"
    assert endpoint(600) not in made.step.spec.endpoints()
    made = tried(it, 602).plan(refusals=refused(), durable=FREE)
    assert not isinstance(made.step, Reclaim), "twice is enough"


class TestTargetsThatAreRefused:
    def test_what_has_no_row_yet_leaves_before_it_fails_itself(self):
        it = scene()
        it.pool.trust.mark(Target(GATEWAY, "1.1.1.1"), WHY, NOW)
        made = it.plan(durable=FREE)
        assert (made.step.spec.external_ip, made.step.refused) == (OTHER, WHY)

    def test_what_has_a_row_stays(self):
        it = Scene(WEB, record=record((600, 80), entries=[WEB], conditions=(ready(),)), pod=pod())
        it.pool.trust.mark(Target(GATEWAY), WHY, NOW)
        assert it.plan().step is None

    def test_and_so_does_one_of_which_another_row_is_refused(self):
        it = Scene(WEB, record=record((600, 80), (601, 443)), pod=pod("80,443"), eips=BOTH)
        it.pool.trust.mark(Target(GATEWAY, "1.1.1.1"), WHY, NOW)
        taken = {new_row("601", "443"): Refusal(Refused.CONFLICT, 1, 0, "it is taken")}
        assert it.plan(refusals=taken).writes == (create("601", "443"),)

    def test_where_all_are_refused_alike_it_stays_and_is_told(self):
        it = scene()
        it.pool.trust.mark(Target(GATEWAY), WHY, NOW)
        made = it.plan()
        assert made.writes == (create(),)
        assert condition(made)[1] == "CloudRejected"
        assert WHY in condition(made)[2]
        assert made.retry_in is not None

    def test_a_new_pod_gets_what_others_are_refused_only_if_there_is_nothing_else(self):
        it = scene(record=None)
        it.pool.trust.mark(Target(GATEWAY, "1.1.1.1"), WHY, NOW)
        assert it.plan().step.spec.external_ip == OTHER
        it.pool.trust.mark(Target(GATEWAY, OTHER), WHY, NOW)
        assert it.plan().step is not None
