"""A PodDNAT beyond the quota of its namespace: it was written by hand, or the quota was lowered."""

from __future__ import annotations

from msgspec.structs import replace

from dnatctl.objects import PodDNATSpec
from dnatctl.plan.values import Allowance, Reclaim, Retire, quota_used_up
from tests.unit.plan.made import (
    BOTH,
    ONE,
    WEB,
    Scene,
    condition,
    create,
    listed,
    pod,
    ready,
    reclaimed,
    record,
    retired,
    spec,
)

REASON = "NamespaceQuota"
FULL = quota_used_up("games", 3, 2, 1)
TEXT = FULL.message
BEYOND = {"denied": True, "allowance": Allowance(0, FULL)}
NOTHING = replace(spec(), ports=())


def test_one_that_claims_nothing_gets_nothing_and_is_told():
    made = Scene(pod=pod(), record=record(claim=PodDNATSpec())).plan(**BEYOND)
    assert (made.step, made.writes) == (None, ())
    assert (made.problem.reason, made.problem.message) == (REASON, TEXT)


def test_one_that_claims_something_has_to_give_it_up():
    scene = Scene(pod=pod(), record=record((600, 80)))
    made = scene.plan(**BEYOND)
    assert retired(made) == [600]
    made = scene.plan(**BEYOND, durable=frozenset(spec().endpoints()))
    assert reclaimed(made).ports == ()
    assert made.writes == ()


def test_then_it_says_why_and_that_is_all():
    empty = record(claim=NOTHING)
    made = Scene(pod=pod(), record=empty).plan(**BEYOND)
    assert condition(made) == ("False", REASON, TEXT)
    told = record(claim=empty.spec, conditions=(ready("False", REASON, TEXT),))
    made = Scene(pod=pod(), record=told).plan(**BEYOND)
    assert (made.step, made.writes) == (None, ())


def test_with_room_it_gets_a_claim_like_any_other():
    empty = record(claim=NOTHING)
    assert len(reclaimed(Scene(pod=pod(), record=empty).plan()).ports) == 1


def test_a_fixed_claim_is_kept_and_no_row_is_made_for_it():
    fixed = {"pod": pod(fixed=True), "record": record((600, 80), fixed=True)}
    made = Scene(**fixed).plan(**BEYOND)
    assert condition(made) == ("False", REASON, TEXT)
    assert made.writes == ()
    assert Scene(**fixed).plan().writes == (create(),)


def test_what_status_lists_without_a_row_is_taken_back_first():
    made = Scene(pod=pod(), record=record((600, 80), entries=[WEB])).plan(**BEYOND)
    assert not isinstance(made.step, Retire)
    assert made.step.status.entries == ()


def test_one_within_the_quota_is_not_touched():
    assert ONE.status.entries == listed(WEB)
    assert Scene(WEB, pod=pod(), record=ONE).plan().step is None


def test_who_sets_the_limit_and_what_uses_it_is_told():
    assert "namespaces.quota" in TEXT
    assert "is 3" in TEXT
    assert FULL.text.endswith("(2 are claimed, 1 rest after use)")
    assert quota_used_up("games", 3, 3, 0) == FULL, "that this changes is no news"


def test_a_claim_does_not_grow_beyond_the_quota_and_keeps_what_it_has():
    asks = Scene(WEB, pod=BOTH, record=ONE)
    made = asks.plan(allowance=Allowance(0, FULL))
    assert made.problem == FULL
    assert not isinstance(made.step, Reclaim)
    assert asks.plan(allowance=Allowance(1, FULL)).step is not None
    assert len(reclaimed(asks.plan(allowance=Allowance(1, FULL))).ports) == 2


def test_of_a_claim_written_by_hand_what_is_beyond_is_given_up_alone():
    two = record((600, 80), (601, 443), entries=[WEB], conditions=(ready(),))
    scene = Scene(WEB, pod=BOTH, record=two)
    scene.pool.quotas._quota = lambda _: 1
    scene.pool.open()
    assert scene.pool.beyond(two.uid) == {two.spec.endpoints()[1]}
    made = scene.plan(allowance=Allowance(0, FULL), durable=frozenset(two.spec.endpoints()))
    assert [port.external for port in reclaimed(made).ports] == [600]
