"""Taking over a PodDNAT whose pod has annotations that make no sense."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.control.test_adoption import ledger, record_of, row_of, running_pod
from tests.support.stage import PREFIX, Stage, eventually, stage


@pytest.fixture
def it() -> Iterator[Stage]:
    with stage() as running:
        yield running


def test_it_is_kept_as_it_is_and_adopted_once_they_do(it: Stage) -> None:
    pod = running_pod(it, "web", "nonsense")
    row = row_of(it, pod["status"]["podIP"])
    before = record_of(it, pod, {row: (700, 80)})
    it.start_controller()
    assert f"{PREFIX}-expose-port" in it.told("web", "InvalidAnnotation")
    it.quiet()
    held = it.record("web")
    assert held is not None
    assert (held["spec"], held["status"]) == (before["spec"], before["status"])
    assert it.writes()[1] == 0
    assert row not in ledger(it), "anybody could say that his pod has a port"
    it.referee.adopted.add(row)
    it.annotate("web", expose_port="80")
    eventually(lambda: row in ledger(it))
    assert [e["forwardEntryId"] for e in it.entries("web")] == [row]
    assert it.writes()[1] == 0
    it.assert_at_rest()


def test_if_the_pod_goes_before_the_entry_is_left_to_people(it: Stage) -> None:
    pod = running_pod(it, "web", "nonsense")
    row = row_of(it, pod["status"]["podIP"])
    record_of(it, pod, {row: (700, 80)})
    it.start_controller()
    it.told("web", "InvalidAnnotation")
    it.delete_pod("web", grace=0)
    it.gone("web")
    it.quiet()
    assert [left["entry_id"] for left in it.rows()] == [row]
