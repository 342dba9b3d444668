"""The worker's part: how long one pod may keep it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from msgspec.structs import replace

from dnatctl.control.state.views import Views
from dnatctl.control.worker.reconciler import Reconciler
from dnatctl.kube.cache import Cache
from dnatctl.kube.errors import Failure, KubeError
from dnatctl.kube.poddnats import SETTLED_S
from dnatctl.objects import Condition, Key, Owner, PodDNAT, PodDNATSpec, PodDNATStatus, PodRef
from dnatctl.plan.values import CreateRecord, Plan, Publish
from tests.support.clock import FakeClock
from tests.unit.pool.made import offer, spec
from tests.unit.table.made import EIP, MARKS, row, uid

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


class Unanswering:
    """A pod that claims an endpoint, and an API server whose webhook does not answer."""

    def __init__(self, views: Views) -> None:
        self.views = views
        self.wanted: PodDNATSpec | None = spec(600)

    def look(self, key: Key, then: Any) -> Any:
        seen = SimpleNamespace(key=key, pod="pod-1", record=None)
        if self.wanted is None:
            return seen, Plan()
        self.views.begin_claim(key, self.wanted)
        return seen, Plan(CreateRecord(self.wanted, Owner("v1", "Pod", "lobby-0", "pod-1")))

    def create(self, new: PodDNAT) -> PodDNAT:
        raise KubeError(Failure.UNKNOWN, "timed out")

    def get(self, key: Key) -> None:
        """Nothing is stored."""


class Board:
    """What the pod is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def judged(self, seen: Any, made: Plan) -> None:
        self.told.append(made.problem.message if made.problem else "")


SILENT: Any = SimpleNamespace(looking=lambda _ref: True, stepped=lambda *_: None)

POD = PodRef("pod-1", LOBBY)


def opened(clock: FakeClock) -> Views:
    views = Views(MARKS, [offer()], 60.0, clock)
    views.pool.open()
    return views


def reconciler_of(
    world: Any, views: Views, *, hands: Any = SILENT, reporter: Any = SILENT
) -> Reconciler:
    """`world` is what is looked at, and the API server."""
    return Reconciler(
        world,
        views,
        Cache(),
        world,
        ledger=SILENT,
        hands=hands,
        signals=SILENT,
        reporter=reporter,
        note_soon=lambda: None,
    )


def unanswered(world: Unanswering, board: Board) -> Reconciler:
    return reconciler_of(world, world.views, reporter=board)


def test_a_claim_that_is_not_answered_again_and_again_is_told() -> None:
    board = Board()
    reconciler = unanswered(Unanswering(opened(FakeClock())), board)
    waits = [reconciler.reconcile(POD) for _ in range(3)]
    assert all(waits), "each is tried again by itself"
    assert "does not say whether it stores the PodDNAT games/lobby-0: timed out" in board.told[-1]


def test_what_the_server_has_not_stored_by_its_own_deadline_is_free_at_once() -> None:
    clock = FakeClock()
    world = Unanswering(opened(clock))
    reconciler = unanswered(world, Board())
    reconciler.reconcile(POD)
    world.wanted = None  # it is held back
    clock.advance(SETTLED_S - 0.1)
    reconciler.reconcile(POD)
    assert world.views.asked(LOBBY) == spec(600), "it may be stored yet"
    clock.advance(0.1)
    reconciler.reconcile(POD)
    assert world.views.asked(LOBBY) is None
    assert not world.views.quarantined(), "nobody ever had it"


def test_what_has_led_to_the_pod_before_rests_all_the_same() -> None:
    """It was to be the pod's again, and its row has gone meanwhile."""
    clock = FakeClock()
    world = Unanswering(opened(clock))
    reconciler = unanswered(world, Board())
    reconciler.reconcile(POD)
    world.wanted = None
    gone = row("fwd-1", f"{EIP}:600", owner=uid(1))
    world.views.pool.vacate(gone, clock.monotonic())
    clock.advance(SETTLED_S)
    reconciler.reconcile(POD)
    assert world.views.asked(LOBBY) is None
    assert set(world.views.quarantined()) == set(spec(600).endpoints())


def test_a_pod_that_is_edited_while_it_is_worked_on_goes_back_to_the_queue() -> None:
    flapping = Flapping()
    again = reconciler_of(flapping, opened(FakeClock())).reconcile(POD)
    assert again == 0.0, "it is on the queue, for its turn"
    assert int(flapping.record.resource_version) <= 3


def test_a_table_that_a_plan_waits_for_is_read() -> None:
    read: list[str] = []
    hands = SimpleNamespace(read=read.append)
    reconciler = reconciler_of(SILENT, opened(FakeClock()), hands=hands)
    seen: Any = SimpleNamespace(key=LOBBY, record=None)
    reconciler._hand_over(seen, Plan(retry_in=2.0))
    reconciler._hand_over(seen, Plan(retry_in=2.0, read="ngw-1"))
    assert read == ["ngw-1"]
