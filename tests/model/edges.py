"""What a process of a small world meets at its edges: clock, watches, API server, cloud, people."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import NoReturn

from dnatctl.kube.errors import Failure, KubeError
from dnatctl.model import ForwardEntry, NewEntry
from dnatctl.objects import Adopted, Key, Owner, Pod, PodDNAT, PodDNATSpec, PodDNATStatus, PodRef
from dnatctl.plan.deletion import WISHED, behind
from dnatctl.plan.values import Deletion, Plan, Seen, WorkloadAnswer
from tests.model.cloud import Call, Cloud
from tests.model.kube import (
    ENDS,
    LATER,
    TICK_S,
    Kube,
    PodState,
    Request,
    as_pod,
    execute,
    is_going,
    key,
    wall,
)

START_S = 10_000.0
"""The monotonic clock at tick 0: late enough for times to lie before it."""

Fence = Callable[[], bool]


class Dispatched(BaseException):
    """A write has been sent to the table; its answer is another step."""

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        self.call = call


class TickClock:
    """A clock that stands still until the explorer moves it."""

    def __init__(self, tick: int) -> None:
        self.tick = tick

    def monotonic(self) -> float:
        return START_S + TICK_S * self.tick

    def now(self) -> datetime:
        return wall(self.tick)


class PodCache:
    """The pods as the watch has told of them. The explorer tells the views of changes."""

    def __init__(self, pods: tuple[PodState, ...]) -> None:
        self.states = {key(pod.name): pod for pod in pods}

    def get(self, name: Key) -> Pod | None:
        state = self.states.get(name)
        return as_pod(state) if state else None

    def on_change(self, told: object) -> None: ...


RecordChanged = Callable[[PodDNAT | None, PodDNAT | None], None]


class RecordCache:
    """The PodDNATs as the watch and own writes have told of them."""

    def __init__(self) -> None:
        self._told: list[RecordChanged] = []
        self.held: dict[Key, PodDNAT] = {}

    def on_change(self, told: RecordChanged) -> None:
        self._told.append(told)

    def values(self) -> list[PodDNAT]:
        return list(self.held.values())

    def get(self, name: Key) -> PodDNAT | None:
        return self.held.get(name)

    def note_written(self, record: PodDNAT) -> None:
        self.put(record.key, record)

    def note_deleted(self, name: Key, uid: str) -> None:
        if name in self.held and self.held[name].uid == uid:
            self.put(name, None)

    def put(self, name: Key, new: PodDNAT | None) -> None:
        old = self.held.get(name)
        if old is not None and new is not None and old.uid != new.uid:
            self.put(name, None)
            old = None
        if new is None:
            self.held.pop(name, None)
        else:
            self.held[name] = new
        if (old, new) != (None, None):
            for told in self._told:
                told(old, new)


class Server:
    """The API server, as one process reaches it. `fault`: what befalls its next write."""

    def __init__(self, kube: Kube, tick: int, fault: str) -> None:
        self.kube = kube
        self.stored: tuple[Request, ...] = ()
        self.late: tuple[Request, ...] = ()
        self._tick = tick
        self._fault = fault

    # PodDNATApi

    def get(self, name: Key) -> PodDNAT | None:
        return self.kube.record(name.name)

    def create(self, record: PodDNAT) -> PodDNAT:
        return self._write(Request("create", record))

    def replace_spec(self, record: PodDNAT, spec: PodDNATSpec) -> PodDNAT:
        return record if record.spec == spec else self._write(Request("spec", record, spec))

    def patch_status(self, record: PodDNAT, status: PodDNATStatus) -> PodDNAT:
        return self._write(Request("status", record, status))

    def patch_metadata(
        self, record: PodDNAT, *, finalizers: tuple[str, ...], owners: tuple[Owner, ...]
    ) -> PodDNAT:
        return self._write(Request("metadata", record, (finalizers, owners)))

    def patch_finalizers(self, record: PodDNAT, finalizers: tuple[str, ...]) -> PodDNAT:
        return self._write(Request("finalizers", record, finalizers))

    def delete(self, record: PodDNAT) -> None:
        self._write(Request("delete", record))

    def _write(self, request: Request) -> PodDNAT:
        fault, self._fault = self._fault, ""
        if fault == "refused" and request.verb in ENDS:
            raise KubeError(Failure.FORBIDDEN, f"{request.verb}: no")
        if fault == "late":
            self.late = (request,)
            raise KubeError(Failure.UNKNOWN, "no answer")
        self.kube, held = execute(self.kube, request, self._tick)
        self.stored = (*self.stored, request)
        if fault == "lost":
            raise KubeError(Failure.UNKNOWN, "no answer")
        return held if held is not None else request.record

    # Ledger

    def note(self, gateway_id: str, adopted: dict[str, Adopted]) -> None:
        request = Request("adopt", PodDNAT(key(""), "", ""), tuple(sorted(adopted.items())))
        self._write(request)

    def load(self, gateway_id: str) -> dict[str, Adopted]:
        return dict(self.kube.ledger)

    # Lookups

    def pod(self, name: Key) -> Pod | None:
        state = self.kube.pod(name.name)
        return as_pod(state) if state else None

    def keeps(self, name: Key, owner: Owner) -> WorkloadAnswer:
        return WorkloadAnswer.WANTS if owner == LATER else self.kube.workload

    def deletion(self, record: PodDNAT, pod: Pod, now: float) -> Deletion:
        return behind("all", now) if is_going(self.kube, record.key.name) else WISHED


class CloudPort:
    """The way to the table: writes are dispatched, single rows are read at once."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def create_entry(
        self, table_id: str, new: NewEntry, token: str, guard: object = None
    ) -> NoReturn:
        raise Dispatched(Call("create", "", new, token))

    def modify_entry(
        self, table_id: str, entry_id: str, new: NewEntry, token: str, guard: object = None
    ) -> NoReturn:
        raise Dispatched(Call("modify", entry_id, new, token))

    def delete_entry(
        self, table_id: str, entry_id: str, token: str, guard: object = None
    ) -> NoReturn:
        raise Dispatched(Call("delete", entry_id, None, token))

    def read_entry(self, table_id: str, entry_id: str) -> ForwardEntry | None:
        return self._cloud.row(entry_id)


class Silent:
    """Queue and reporter whom nobody hears: the explorer looks at everything anyway."""

    closed = False

    def add(self, ref: PodRef, priority: object = None) -> None: ...
    def looking(self, ref: PodRef) -> None: ...
    def stepped(self, seen: Seen, step: object, record: PodDNAT | None) -> None: ...
    def judged(self, seen: Seen, made: Plan) -> None: ...
