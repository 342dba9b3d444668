"""A PodDNAT's claim that somebody edits, at each moment of its first entry's life."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dnatctl_sim.cloud import Fault, Scenario, Settle
from tests.support.stage import RECORDS, Object, Stage, eventually, fast, stage

IPS = {
    "ngw-bp1emulated0001": ("203.0.113.1", "203.0.113.2"),
    "ngw-bp1emulated0002": ("203.0.113.3", "203.0.113.4"),
}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Stage]:
    with stage(Scenario.many(2, eips=2, knobs=fast())) as running:
        running.start_controller()
        yield running
        running.assert_at_rest()


# --- moments of the first entry: each begins it, and returns what lets it go on

CREATE = "CreateForwardEntry"


def begin(it: Stage, **fault: Any) -> None:
    if fault:
        it.cloud.add_fault(Fault(apis=[CREATE], **fault))
    it.pod("web")


def refused_so_far(it: Stage) -> Callable[[], object]:
    since = len(it.calls(CREATE))
    begin(it, action="error", stage="before", code="OperationConflict", times=None)
    eventually(lambda: len(it.calls(CREATE)) > since)
    return it.cloud.clear_faults


def on_its_way(it: Stage) -> Callable[[], object]:
    """What the cloud has accepted can be called back by nobody."""
    since = len(it.calls(CREATE))
    begin(it, action="delay", stage="during", seconds=0.5)
    eventually(lambda: len(it.calls(CREATE)) > since)
    return no_matter


def unanswered(it: Stage) -> Callable[[], object]:
    begin(it, action="delay", stage="after", seconds=0.5)
    eventually(lambda: it.own_rows("web"))
    return no_matter


def lost(it: Stage) -> Callable[[], object]:
    slow(it)
    begin(it, action="reset", stage="after")
    eventually(lambda: it.own_rows("web"))
    return lambda: quick(it)


def pending(it: Stage) -> Callable[[], object]:
    slow(it)
    begin(it)
    eventually(lambda: it.own_rows("web"))
    return lambda: quick(it)


def available(it: Stage) -> Callable[[], object]:
    begin(it)
    it.ready("web")
    return no_matter


def no_matter() -> None:
    """It goes on by itself."""


def slow(it: Stage) -> None:
    it.cloud.set_knobs(settle=Settle.all(0.5))


def quick(it: Stage) -> None:
    it.cloud.set_knobs(settle=Settle.all(0.02))


MOMENTS = [refused_so_far, on_its_way, unanswered, lost, pending, available]


# --- edits


def no_ip(_spec: Object) -> Object:
    return {"externalIP": ""}


def other_ip(spec: Object) -> Object:
    """Another external IP of the same gateway."""
    return {"externalIP": next(ip for ip in IPS[spec["tableId"]] if ip != spec["externalIP"])}


def other_port(_spec: Object) -> Object:
    return {"portMapping": [{"externalPort": "1001", "internalPort": "80"}]}


def no_table(_spec: Object) -> Object:
    return {"tableId": ""}


def other_table(spec: Object) -> Object:
    return {"tableId": next(each for each in IPS if each != spec["tableId"])}


def nothing(spec: Object) -> Object:
    return {key: [] if key == "portMapping" else "" for key in spec}


EDITS = [no_ip, other_ip, other_port, no_table, other_table, nothing]


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("moment", MOMENTS)
def test_an_edit_by_hand_is_put_right(
    it: Stage, moment: Callable[[Stage], Callable[[], object]], edit: Callable[[Object], Object]
) -> None:
    """No row is lost, nobody else gets the endpoint while it may lead there, and all ends well."""
    it.referee.edited.add((it.ns, "web"))
    go_on = moment(it)
    record = it.record("web")
    assert record
    it.kube.store.patch(RECORDS, it.ns, "web", {"spec": edit(record["spec"])})
    it.pod("other", "80,443")
    go_on()
    it.ready("other", 2)
    it.assert_at_rest()
