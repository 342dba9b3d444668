"""The worker's part: how long one pod may keep it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from msgspec.structs import replace

from dnatctl.control.state.views import Views
from dnatctl.control.worker.reconciler import Reconciler
from dnatctl.kube.cache import Cache
from dnatctl.objects import Condition, Key, PodDNAT, PodDNATStatus, PodRef
from dnatctl.plan.values import Plan, Publish
from tests.support.clock import FakeClock
from tests.unit.pool.made import offer, spec
from tests.unit.table.made import MARKS, uid

LOBBY = Key("games", "lobby-0")


class Flapping:
    """A pod that is edited whenever its status was written, so that there is another to write."""

    def __init__(self) -> None:
        self.record = PodDNAT(LOBBY, uid(1), "1", spec=spec(600))

    def look(self, key: Key, then: Any) -> Any:
        number = int(self.record.resource_version)
        condition = Condition("Ready", "False", "Because", f"of edit {number}")
        seen = SimpleNamespace(key=key, pod=None, record=self.record)
        return seen, Plan(Publish(PodDNATStatus(conditions=(condition,))))

    def patch_status(self, record: PodDNAT, status: PodDNATStatus) -> PodDNAT:
        version = str(int(self.record.resource_version) + 1)
        self.record = replace(record, resource_version=version, status=status)
        return self.record


def test_a_pod_that_is_edited_while_it_is_worked_on_goes_back_to_the_queue() -> None:
    flapping: Any = Flapping()
    silent: Any = SimpleNamespace(looking=lambda _ref: True, stepped=lambda *_: None)
    reconciler = Reconciler(
        flapping,
        Views(MARKS, [offer()], 60.0, FakeClock()),
        Cache(),
        flapping,
        ledger=silent,
        hands=silent,
        signals=silent,
        reporter=silent,
        note_soon=lambda: None,
    )
    again = reconciler.reconcile(PodRef("pod-1", LOBBY))
    assert again == 0.0, "it is on the queue, for its turn"
    assert int(flapping.record.resource_version) <= 3
