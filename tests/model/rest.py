"""From any state, with nothing more going wrong, the world comes to rest as asked for.

Rest is reached by letting everything happen that happens by itself, in a fixed order, time last.
It is rest only if nothing is left to write: to Kubernetes or to the table, however often everything
is looked at again (Anvil's eventually stable reconciliation).
"""

from __future__ import annotations

from collections.abc import Iterator

from dnatctl.model import Endpoint, EntryStatus, ForwardEntry, PortRange, Protocol
from dnatctl.objects import FINALIZER, READY, PodDNAT
from dnatctl.plan.values import WorkloadAnswer
from tests.model.kube import LATER, Kube, PodState
from tests.model.moves import Move, State, Worlds
from tests.model.rules import broken
from tests.model.world import Executed, Sent, Stored, World, endpoints_of, owner_of

PATIENCE = 200
"""Moves after which a world that has not come to rest never will."""

QUIET_TICKS = 4
"""Minutes without a write after which the world is at rest: longer than any time the program
waits for, with its settings in these worlds."""


class NotAtRestError(AssertionError):
    """The world does not come to rest, or not as asked for; `moves`: how it went on."""

    def __init__(self, what: str, moves: list[Move]) -> None:
        super().__init__(what)
        self.moves = moves


class Rest:
    """Finds out whether states come to rest; remembers those that do."""

    def __init__(self, worlds: Worlds) -> None:
        self._worlds = worlds
        self._good: set[State] = set()

    def check(self, state: State) -> None:
        """Raises NotAtRestError."""
        path: list[State] = []
        moves: list[Move] = []
        quiet = 0
        while state not in self._good:
            path.append(state)
            if len(path) > PATIENCE:
                raise NotAtRestError("the world does not come to rest", moves)
            move = self._next(state)
            if move is None:
                move = self._worlds.tick(state)
                quiet += 1
            before, after = self._worlds.unpack(state), self._worlds.unpack(move.target)
            moves.append(move)
            if complaint := broken(before, after, move.effects):
                raise NotAtRestError(complaint, moves)
            if _writes(move):
                quiet = 0
            if quiet > QUIET_TICKS:
                self._judge(before, moves)
                break
            state = move.target
        self._good.update(path)

    def _next(self, state: State) -> Move | None:
        """The first move, in the order of `Worlds.progress`, that changes anything."""
        return next(self._worlds.progress(state), None)

    def _judge(self, world: World, moves: list[Move]) -> None:
        for complaint in complaints(world, self._worlds.scenario.setup.ports):
            raise NotAtRestError(f"At rest, {complaint}.", moves)


def _writes(move: Move) -> bool:
    return any(isinstance(effect, Stored | Executed | Sent) for effect in move.effects)


def complaints(world: World, offered: PortRange) -> Iterator[str]:
    """In what the world at rest differs from what is asked for."""
    for pod in world.kube.pods:
        yield from _pod(world, pod, _free(world, offered))
    for record in world.kube.records:
        name = record.key.name
        pod_now = world.kube.pod(name)
        if not _is_kept(world.kube, record, pod_now) and not world.kube.refuses:
            yield f"the PodDNAT {name} is left over"
    for row in world.cloud.rows:
        yield from _row(world, row)


def _is_kept(kube: Kube, record: PodDNAT, pod: PodState | None) -> bool:
    """A claim lasts as long as its pod asks, with an address or without; a fixed one longer."""
    displaced = pod is not None and kube.displaced(pod)
    if pod is not None and not pod.ended and not (displaced and pod.deleting):
        return pod.ports is not None
    fixed = any(owner.kind != "Pod" for owner in record.owners)
    return fixed and (kube.workload is WorkloadAnswer.WANTS or LATER in record.owners)


def _row(world: World, row: ForwardEntry) -> Iterator[str]:
    owner = owner_of(world.kube, row)
    if not owner:
        return
    if row.status is not EntryStatus.AVAILABLE:
        yield f"{row.entry_id} is {row.status}"
    record = next((r for r in world.kube.records if r.uid == owner), None)
    pod = world.kube.pod(record.key.name) if record else None
    if record is None:
        yield f"{row.entry_id} is an orphan"
    elif pod is None or not pod.asks or row.internal_ip != pod.ip or world.kube.displaced(pod):
        yield f"{row.entry_id} leads to {row.internal_ip}, which is not {record.key.name}"
    elif not any(e in record.spec.endpoints() for e in endpoints_of(row)):
        yield f"{row.entry_id} is not claimed by {record.key.name}"


def _pod(world: World, pod: PodState, free: int) -> Iterator[str]:
    record = world.kube.record(pod.name)
    if world.kube.displaced(pod) and record is not None and record.status.entries:
        yield f"status of {pod.name} lists what leads to another pod"
    if not pod.asks or pod.ports == "nonsense" or world.kube.displaced(pod):
        return
    wanted = [(int(port), Protocol.TCP) for port in (pod.ports or "").split(",")]
    if record is None:
        if free >= len(wanted) and not pod.deleting:
            yield f"pod {pod.name} has no PodDNAT though {free} endpoints are free"
        return
    has = [(port.internal, port.protocol) for port in record.spec.ports]
    lacking = [port for port in wanted if port not in has]
    if lacking and free >= len(lacking):
        yield f"pod {pod.name} lacks {lacking} though {free} endpoints are free"
    if [port for port in has if port not in wanted]:
        yield f"PodDNAT {pod.name} claims {has}, not {wanted}"
    if FINALIZER not in record.finalizers:
        yield f"PodDNAT {pod.name} has no finalizer"
    yield from _status(world, pod, record, [port for port in wanted if port in has])
    ready = record.status.condition(READY)
    if ready is None or (ready.status == "True") != (len(record.status.entries) == len(wanted)):
        yield f"PodDNAT {pod.name} has condition {ready}"


def _status(
    world: World, pod: PodState, record: PodDNAT, wanted: list[tuple[int, Protocol]]
) -> Iterator[str]:
    listed = {(e.internal_port, e.endpoint.protocol): e for e in record.status.entries}
    for port, protocol in wanted:
        if _squatted(world, pod, port, protocol):
            continue
        entry = listed.pop((port, protocol), None)
        if entry is None:
            yield f"port {port} of pod {pod.name} is not reachable"
            continue
        row = world.cloud.row(entry.entry_id)
        if row is None or not row.covers(entry.endpoint) or row.internal_ip != pod.ip:
            yield f"status of {pod.name} lists {entry.endpoint}, which does not lead there"
    if listed:
        yield f"status of {pod.name} lists {sorted(listed)} too much"


def _squatted(world: World, pod: PodState, port: int, protocol: Protocol) -> bool:
    """A row that is not ours has the pod's address and port: the cloud allows no second."""
    return any(
        not owner_of(world.kube, row)
        and row.internal_ip == pod.ip
        and port in row.internal_ports
        and row.protocol in (None, protocol)
        for row in world.cloud.rows
    )


def _free(world: World, offered: PortRange) -> int:
    """Endpoints that nobody claims and no row covers. A PodDNAT that the API server does not let go
    of claims none."""
    kube = world.kube
    claimants = [
        record
        for record in kube.records
        if not kube.refuses or _is_kept(kube, record, kube.pod(record.key.name))
    ]
    claimed = {e for record in claimants for e in record.spec.endpoints()}
    return sum(
        1
        for port in range(offered.first, offered.last + 1)
        if (endpoint := Endpoint("47.0.0.1", port, Protocol.TCP)) not in claimed
        and not any(row.covers(endpoint) for row in world.cloud.rows)
    )
