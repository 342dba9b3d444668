"""Work is keyed by pod UID, two pods of one name are never worked on at once; so is the log."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from dnatctl_sim.kube.wire.faults import Fault, Match
from tests.support.stage import RECORDS, Stage, eventually

Line = dict[str, Any]


@pytest.fixture
def lines() -> Iterator[list[Line]]:
    """Every log line, debug ones included, as structured values."""
    held: list[Line] = []

    def hold(_logger: Any, _method: str, event: Line) -> Line:
        held.append(dict(event))
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, hold],
        wrapper_class=structlog.make_filtering_bound_logger(10),
        cache_logger_on_first_use=False,
    )
    yield held
    structlog.configure(**before)


def of_key(lines: list[Line], key: str) -> list[Line]:
    """What was logged of that namespace and name, in order."""
    return [line for line in list(lines) if line.get("key") == key]


def of(lines: list[Line], it: Stage, name: str) -> list[Line]:
    """What was logged while somebody worked on a pod of that name, in order."""
    return [line for line in of_key(lines, f"{it.ns}/{name}") if "reconcile_id" in line]


def test_two_pods_of_one_name_are_never_at_work_at_once(it: Stage, lines: list[Line]) -> None:
    old = it.pod("web")["metadata"]["uid"]
    it.ready("web")
    # The old one's worker is held up in its write while the new one comes.
    it.kube.faults.add(Fault(delay=0.4), Match(verb="patch", resource=RECORDS), times=2)
    it.delete_pod("web", grace=0)
    new = it.pod("web")["metadata"]["uid"]

    def owner() -> str:
        record = it.record("web")
        return record["metadata"]["ownerReferences"][0]["uid"] if record else ""

    eventually(lambda: owner() == new)
    it.ready("web")
    told = of(lines, it, "web")
    assert all(line["pod_uid"] for line in told)
    assert {old, new} <= {line["pod_uid"] for line in told}
    at_work: set[str] = set()
    for line in told:
        if line["event"] == "reconciliation began":
            assert not at_work, f"{line} while {at_work}"
            at_work.add(line["reconcile_id"])
        elif line["event"] == "reconciliation ended":
            at_work.remove(line["reconcile_id"])


def test_back_off_and_timers_end_with_their_pod(it: Stage, lines: list[Line]) -> None:
    it.pod("web")
    it.ready("web")
    old = of(lines, it, "web")[0]["pod_uid"]
    it.delete_pod("web", grace=0)
    it.pod("web")
    it.ready("web")
    it.assert_at_rest()
    seen = len(lines)
    for running in it.running:
        running.controller.parts.signals.resync()
    it.quiet()
    later = {line["pod_uid"] for line in of(lines[seen:], it, "web")}
    assert later
    assert old not in later


def test_one_filter_finds_the_whole_story_of_a_pod(it: Stage, lines: list[Line]) -> None:
    uid = it.pod("web")["metadata"]["uid"]
    it.ready("web")
    it.delete_pod("web", grace=0)
    it.gone("web")
    key = f"{it.ns}/web"  # pods of earlier tests may be released yet
    eventually(lambda: any(line["event"] == "released" for line in of_key(lines, key)))
    for name, value in {"key": key, "pod_uid": uid}.items():
        story = [line for line in list(lines) if line.get(name) == value]
        told = [line.get("write", line["event"]).partition(" ")[0] for line in story]
        chapters = ["allocated", "create:", "ready", "delete", "released"]
        assert [word for word in told if word in chapters] == chapters
    assert all(line["gateway"] for line in list(lines) if line["event"].startswith("write "))
