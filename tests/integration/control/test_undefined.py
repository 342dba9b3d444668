"""The definition of PodDNATs is deleted, and with force: finalizers are taken off by hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime

import pytest
import yaml

from dnatctl_sim.kube.core.errors import ApiError
from tests.integration.control.test_who_deletes import DEFINITIONS
from tests.support.stage import CRD, RECORDS, Stage, eventually, stage

PODS = [f"web-{n}" for n in range(3)]
"""No more than may be leftovers of a crash."""


@pytest.fixture
def it() -> Iterator[Stage]:
    with stage(resync="1s") as running:
        running.start_controller(sweep_s=0.1)
        for name in PODS:
            running.pod(name)
        for name in PODS:
            running.ready(name)
        yield running


def take_away(it: Stage) -> None:
    """Delete the definition and all PodDNATs, whatever stands against it."""
    it.referee.adopted.update(row["entry_id"] for row in it.rows())
    it.kube.store.delete(DEFINITIONS, "", RECORDS)
    eventually(lambda: all("deletionTimestamp" in r["metadata"] for r in it.records()))
    eventually(it.running[0].controller.parts.definition.undefined)
    with it.kube.store.raw.lock:
        for name in PODS:
            with suppress(ApiError):
                it.kube.store.patch(RECORDS, it.ns, name, {"metadata": {"finalizers": None}})
    eventually(lambda: it.kube.store.get(DEFINITIONS, "", RECORDS) is None)
    it.referee.violations.clear()  # the referee takes it for the controller's doing


def swept(it: Stage) -> None:
    """The controller knows, and has looked for orphans."""
    controller = it.running[0].controller
    eventually(controller.parts.definition.undefined)
    eventually(lambda: not controller.parts.records.values())
    for _ in range(2):
        controller.parts.sweeper.sweep()


def test_living_pods_have_what_leads_to_them_when_it_is_back(it: Stage) -> None:
    before = {name: it.entries(name) for name in PODS}
    take_away(it)
    swept(it)
    it.kube.store.create(DEFINITIONS, yaml.safe_load(CRD.read_text()))
    assert {name: it.ready(name) for name in PODS} == before
    it.assert_at_rest()


def test_so_they_have_where_it_is_replaced_at_once(it: Stage) -> None:
    before = {name: it.entries(name) for name in PODS}
    take_away(it)
    it.kube.store.create(DEFINITIONS, yaml.safe_load(CRD.read_text()))
    eventually(lambda: all(it.record(name) for name in PODS))
    assert {name: it.ready(name) for name in PODS} == before
    it.assert_at_rest()


def test_what_is_older_than_the_definition_went_with_the_one_before(it: Stage) -> None:
    """However late it is seen to be gone."""
    before = {name: it.entries(name) for name in PODS}
    created = [record["metadata"]["creationTimestamp"] for record in it.records()]
    keeper = it.running[0].controller.parts.definition
    assert not any(map(keeper.went_along, created))
    take_away(it)
    eventually(lambda: f"{datetime.now(UTC):%FT%TZ}" > max(created))
    it.kube.store.create(DEFINITIONS, yaml.safe_load(CRD.read_text()))
    eventually(lambda: not keeper.undefined())
    assert all(map(keeper.went_along, created))
    assert {name: it.ready(name) for name in PODS} == before
    assert not any(keeper.went_along(r["metadata"]["creationTimestamp"]) for r in it.records())


def test_what_led_to_pods_that_are_gone_goes_while_there_is_none(it: Stage) -> None:
    kept = it.entries("web-0")[0]["forwardEntryId"]
    take_away(it)
    for name in PODS[1:]:
        it.delete_pod(name, grace=0)
    eventually(lambda: [row["entry_id"] for row in it.rows()] == [kept])
    swept(it)
    assert [row["entry_id"] for row in it.rows()] == [kept]
    it.kube.store.create(DEFINITIONS, yaml.safe_load(CRD.read_text()))
    assert [entry["forwardEntryId"] for entry in it.ready("web-0")] == [kept]


def test_who_asked_in_vain_is_served_as_soon_as_it_is_back(
    it: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long that took: each pod in vain waits longer than the one before."""
    for pause in ("FIRST_S", "LONGEST_S"):
        monkeypatch.setattr(f"dnatctl.control.state.refusals.{pause}", 1e6)
    take_away(it)
    swept(it)
    it.pod("late")
    it.told("late", "PodDNATRefused")
    it.kube.store.create(DEFINITIONS, yaml.safe_load(CRD.read_text()))
    it.ready("late")
