"""A claim whose external IP is bound to another gateway goes along, as it is."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from dnatctl.objects import PodDNATStatus
from dnatctl.orders import Order, OrderKind, Orders
from dnatctl.plan.values import Plan, Reclaim, Retire
from dnatctl.pool import Target
from tests.unit.plan.made import NOW, ONE, WEB, Scene, condition, delete, pod
from tests.unit.pool.made import eip, offer
from tests.unit.table.made import EIP, GATEWAY

NEXT = "ngw-2"
OFFERS = (offer(), offer(gateway_id=NEXT))
MOVED = {GATEWAY: [eip("9.9.9.9")], NEXT: [eip(EIP)]}
CLEARED = replace(ONE, status=PodDNATStatus())
GONE = f"EIP {EIP} is not bound to it any more"
THERE = replace(CLEARED, spec=replace(ONE.spec, gateway_id=NEXT))


def scene(*rows, record=CLEARED, eips=MOVED, **seen) -> Scene:
    return Scene(*rows, record=record, pod=pod(), offers=OFFERS, eips=eips, **seen)


def test_it_names_the_gateway_that_has_its_ip_now():
    assert scene().plan().step == Reclaim(THERE.spec)


def test_not_before_its_rows_are_gone_from_its_own():
    """Nothing else would lead a restart to them."""
    made = scene(WEB, record=ONE).plan(outage=GONE)
    status, reason, text = condition(made)
    assert (status, reason) == ("False", "GatewayUnusable")
    assert text == f"EIP {EIP} is bound to {NEXT} now: the entries move there"
    assert made.step.status.entries == ()
    told = replace(ONE, status=made.step.status)
    assert scene(WEB, record=told).plan(outage=GONE) == Plan(writes=(delete(),))
    assert scene(record=told, unanswered=True).plan(outage=GONE) == Plan()
    assert scene(record=told).plan(outage=GONE).step == Reclaim(THERE.spec)


def test_not_as_one_answer_alone_says_so():
    """Rows, endpoints and the word that people were given were lost for good by one odd answer."""
    assert scene(WEB, record=ONE).plan() == Plan()
    told = replace(ONE, status=scene(WEB, record=ONE).plan(outage=GONE).step.status)
    waiting = scene(record=told).plan()
    assert waiting.writes == ()
    assert not isinstance(waiting.step, Reclaim | Retire)


def test_its_rows_are_made_there():
    (made,) = scene(record=THERE).plan().writes
    assert (made.gateway_id, made.entry.external_ip) == (NEXT, EIP)


def test_also_from_a_gateway_that_is_no_more():
    assert scene(absent=frozenset({GATEWAY})).plan().step == Reclaim(THERE.spec)


def test_also_from_one_that_is_not_configured_any_more():
    stranger = Scene(record=CLEARED, pod=pod(), offers=OFFERS[1:], eips=MOVED)
    made = stranger.plan(outage=f"EIP {EIP} is not bound to it any more")
    assert made.step == Reclaim(THERE.spec)


@pytest.mark.parametrize(("reserved_for", "goes"), [("games", True), ("others", False)])
def test_not_to_one_that_is_reserved_for_others(reserved_for, goes):
    offers = (offer(), offer(gateway_id=NEXT, namespaces=(reserved_for,)))
    made = Scene(record=CLEARED, pod=pod(), offers=offers, eips=MOVED).plan()
    assert isinstance(made.step, Reclaim) is goes


def test_not_to_one_where_the_cloud_refuses_it():
    refused = scene()
    refused.pool.trust.mark(Target(NEXT, EIP), "no", NOW, firm=True)
    assert not isinstance(refused.plan().step, Reclaim)


def test_also_while_the_ip_is_being_drained_as_who_is_there_stays():
    drained = scene()
    drained.pool.orders = Orders((Order(OrderKind.DRAIN, f"eip/{EIP}"),))
    assert drained.plan().step == Reclaim(THERE.spec)


def test_not_to_a_gateway_that_is_being_drained_and_that_is_told():
    drained = scene(WEB, record=ONE)
    dark = f"EIP {EIP} is not bound to it any more"
    told = f"{GATEWAY}: {dark}; until then its entries reach nothing"
    order = Order(OrderKind.DRAIN, f"gateway/{NEXT}")
    drained.pool.orders = Orders((order,))
    made = drained.plan(outage=dark)
    assert condition(made)[2] == f"{told}; {NEXT} has it now, and {order.what}"
    both = scene(WEB, record=ONE, eips={GATEWAY: [], NEXT: []})
    both.pool.orders = Orders((order,))
    assert condition(both.plan(outage=dark))[2] == told


@pytest.mark.parametrize("serves", ["games", "others"])
def test_it_is_told_where_it_serves_the_namespace(serves):
    offers = (offer(), offer(gateway_id=NEXT, namespaces=(serves,)))
    drained = Scene(WEB, record=ONE, pod=pod(), offers=offers, eips=MOVED)
    drained.pool.orders = Orders((Order(OrderKind.DRAIN, f"gateway/{NEXT}"),))
    told = condition(drained.plan(outage="dark"))[2]
    assert (f"{NEXT} has it now" in told) is (serves == "games")


def test_not_while_its_own_gateway_has_the_ip():
    both = {GATEWAY: [eip(EIP)], NEXT: [eip(EIP)]}
    assert not isinstance(scene(eips=both).plan().step, Reclaim)
