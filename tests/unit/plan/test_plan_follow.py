"""A claim whose external IP is bound to another gateway goes along, as it is."""

from __future__ import annotations

from msgspec.structs import replace as with_changes

from dnatctl.plan.values import Publish, Reclaim
from tests.unit.plan.made import ONE, WEB, Scene, delete, pod
from tests.unit.pool.made import eip, offer
from tests.unit.table.made import EIP, GATEWAY

NEXT = "ngw-2"
OFFERS = (offer(), offer(gateway_id=NEXT))
MOVED = {GATEWAY: [eip("9.9.9.9")], NEXT: [eip(EIP)]}
THERE = with_changes(ONE, spec=with_changes(ONE.spec, gateway_id=NEXT))


def scene(*rows, record=ONE, eips=MOVED, **seen) -> Scene:
    return Scene(*rows, record=record, pod=pod(), offers=OFFERS, eips=eips, **seen)


def test_it_names_the_gateway_that_has_its_ip_now():
    assert scene(WEB).plan().step == Reclaim(THERE.spec)


def test_also_from_a_gateway_that_is_no_more():
    assert scene(absent=frozenset({GATEWAY})).plan().step == Reclaim(THERE.spec)


def test_also_from_one_that_is_not_configured_any_more():
    stranger = Scene(record=ONE, pod=pod(), offers=OFFERS[1:], eips=MOVED)
    assert stranger.plan(outage=f"EIP {EIP} is not bound to it any more").step == Reclaim(
        THERE.spec
    )


def test_not_while_its_own_gateway_has_the_ip():
    both = {GATEWAY: [eip(EIP)], NEXT: [eip(EIP)]}
    assert not isinstance(scene(WEB, eips=both).plan().step, Reclaim)


def test_not_while_a_write_for_it_is_unanswered():
    assert not isinstance(scene(WEB, unanswered=True).plan().step, Reclaim)


def test_no_row_is_made_there_before_the_old_one_is_gone():
    withdrawn = scene(WEB, record=THERE).plan()
    assert isinstance(withdrawn.step, Publish)
    told = with_changes(THERE, status=withdrawn.step.status)
    assert scene(WEB, record=told).plan().writes == (delete(),)
    (made,) = scene(record=told).plan().writes
    assert (made.gateway_id, made.entry.external_ip) == (NEXT, EIP)
