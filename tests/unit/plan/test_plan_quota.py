"""A PodDNAT beyond the quota of its namespace: it was written by hand, or the quota was lowered."""

from __future__ import annotations

from msgspec.structs import replace

from dnatctl.objects import PodDNATSpec
from dnatctl.plan.values import Retire
from tests.unit.plan.made import (
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
TEXT = "namespace games has used up its quota of exposed pods"
NOTHING = replace(spec(), ports=())


def test_one_that_claims_nothing_gets_nothing_and_is_told():
    made = Scene(pod=pod(), record=record(claim=PodDNATSpec())).plan(denied=True)
    assert (made.step, made.writes) == (None, ())
    assert (made.problem.reason, made.problem.message) == (REASON, TEXT)


def test_one_that_claims_something_has_to_give_it_up():
    scene = Scene(pod=pod(), record=record((600, 80)))
    made = scene.plan(denied=True)
    assert retired(made) == [600]
    made = scene.plan(denied=True, durable=frozenset(spec().endpoints()))
    assert reclaimed(made).ports == ()
    assert made.writes == ()


def test_then_it_says_why_and_that_is_all():
    empty = record(claim=NOTHING)
    made = Scene(pod=pod(), record=empty).plan(denied=True)
    assert condition(made) == ("False", REASON, TEXT)
    told = record(claim=empty.spec, conditions=(ready("False", REASON, TEXT),))
    made = Scene(pod=pod(), record=told).plan(denied=True)
    assert (made.step, made.writes) == (None, ())


def test_with_room_it_gets_a_claim_like_any_other():
    empty = record(claim=NOTHING)
    assert len(reclaimed(Scene(pod=pod(), record=empty).plan()).ports) == 1


def test_a_fixed_claim_is_kept_and_no_row_is_made_for_it():
    fixed = {"pod": pod(fixed=True), "record": record((600, 80), fixed=True)}
    made = Scene(**fixed).plan(denied=True)
    assert condition(made) == ("False", REASON, TEXT)
    assert made.writes == ()
    assert Scene(**fixed).plan().writes == (create(),)


def test_what_status_lists_without_a_row_is_taken_back_first():
    made = Scene(pod=pod(), record=record((600, 80), entries=[WEB])).plan(denied=True)
    assert not isinstance(made.step, Retire)
    assert made.step.status.entries == ()


def test_one_within_the_quota_is_not_touched():
    assert ONE.status.entries == listed(WEB)
    assert Scene(WEB, pod=pod(), record=ONE).plan().step is None
