"""Abstract Kubernetes: pods, PodDNATs and what the API server does with a write.

Values only, small and hashable: an explorer makes millions of them. A request carries the object as
its sender knew it, and is refused as the real server would refuse it: by UID and resourceVersion.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

from msgspec.structs import replace

from dnatctl.kube.errors import Failure, KubeError
from dnatctl.objects import Adopted, Key, Owner, Pod, PodDNAT
from dnatctl.plan.exposure import FIXED, PORTS, SWITCH
from dnatctl.plan.values import WorkloadAnswer

NAMESPACE = "games"
TICK_S = 60.0
"""One tick of the abstract clock: as long as a quarantine, longer than any call is under way."""

START = datetime(2026, 1, 1, tzinfo=UTC)
WORKLOAD = Owner("apps/v1", "StatefulSet", "set", "uid-of-set", controller=True)
LATER = Owner("apps/v1", "StatefulSet", "set", "uid-of-later-set", controller=True)
"""The same one made anew: always alive, and it wants all pods."""

OWNERS = {"": None, "set": WORKLOAD, "later": LATER}


def wall(tick: int) -> datetime:
    """The wall-clock time at a tick."""
    return START + timedelta(seconds=TICK_S * tick)


def uid(serial: int) -> str:
    """The UID of the object made as number `serial`."""
    return f"00000000-0000-0000-0000-{serial:012d}"


def key(name: str) -> Key:
    """The key of a pod and its PodDNAT."""
    return Key(NAMESPACE, name)


class PodState(NamedTuple):
    """A pod as the API server holds it. `ports` None: the annotation says false.

    `stuck`: its node is dead, so that its containers "run" for ever, and its IP is free for others.
    `owner`: the workload that a fixed one belongs to now, of OWNERS.
    """

    name: str
    uid: str
    ip: str
    ports: str | None = "80"
    deleting: bool = False
    ended: bool = False
    fixed: bool = False
    version: int = 1
    stuck: bool = False
    owner: str = "set"

    @property
    def asks(self) -> bool:
        """Whether it is to be reachable: as seen by people, not by the program."""
        return not self.ended and self.ports is not None and bool(self.ip)


class PodView(Pod, frozen=True):
    """The program's value for a pod, with the state it was made of."""

    state: PodState | None = None


@cache
def as_pod(state: PodState) -> PodView:
    """The pod as the program gets to see it."""
    annotations = {SWITCH: "false" if state.ports is None else "", PORTS: state.ports or ""}
    if state.fixed:
        annotations[FIXED] = ""
    return PodView(
        key=key(state.name),
        uid=state.uid,
        resource_version=str(state.version),
        annotations=annotations,
        ips=(state.ip,) if state.ip else (),
        phase="Succeeded" if state.ended else "Running",
        deleting=state.deleting,
        ended=state.ended,
        owner=OWNERS[state.owner] if state.fixed else None,
        node="dead" if state.stuck else "",
        alive=state.uid,
        state=state,
    )


class Kube(NamedTuple):
    """The server's truth. `lease`: what the leader's lease says for the next one. `orphaning`: the
    workload is deleted without its pods, and the garbage collector has not yet let all go.
    `refuses`: writes that are refused from now on: verb, of ENDS, and UID of the PodDNAT.
    """

    pods: tuple[PodState, ...] = ()
    records: tuple[PodDNAT, ...] = ()
    ledger: tuple[tuple[str, Adopted], ...] = ()
    lease: str = ""
    workload: WorkloadAnswer = WorkloadAnswer.WANTS
    serial: int = 0
    namespace_goes: bool = False
    orphaning: bool = False
    refuses: frozenset[tuple[str, str]] = frozenset()

    def pod(self, name: str) -> PodState | None:
        """The pod of that name."""
        return next((pod for pod in self.pods if pod.name == name), None)

    def displaced(self, pod: PodState) -> bool:
        """Whether the pod's IP is another's, as it is on a dead node."""
        return pod.stuck and any(
            other.ip == pod.ip and not other.ended and not other.stuck for other in self.pods
        )

    def record(self, name: str) -> PodDNAT | None:
        """The PodDNAT of that name."""
        return next((record for record in self.records if record.key.name == name), None)

    def with_pod(self, name: str, pod: PodState | None) -> Kube:
        """With the pod of that name in place of the one there was."""
        others = [p for p in self.pods if p.name != name]
        return self._replace(pods=tuple(sorted([*others, pod] if pod else others)))

    def with_record(self, name: str, record: PodDNAT | None) -> Kube:
        """With the PodDNAT of that name in place of the one there was."""
        kept = [r for r in self.records if r.key.name != name] + ([record] if record else [])
        return self._replace(records=tuple(sorted(kept, key=lambda r: r.key)))


ENDS = ("delete", "finalizers", "status")
"""Writes that a PodDNAT needs to end."""


class Request(NamedTuple):
    """A write to a PodDNAT, or (`adopt`) to the ledger of adopted rows.

    `record`: as the sender knew it, the new object for `create`.
    """

    verb: str
    record: PodDNAT
    body: Any = None

    def __str__(self) -> str:
        return f"{self.verb} PodDNAT {self.record.key.name}"


def execute(kube: Kube, request: Request, tick: int) -> tuple[Kube, PodDNAT | None]:
    """Carry out a write; the new truth, and the object as it is then (None: gone).

    Raises KubeError as the server would refuse it.
    """
    name = request.record.key.name
    if (request.verb, request.record.uid) in kube.refuses:
        raise KubeError(Failure.FORBIDDEN, f"{request.verb} of {name}")
    held = kube.record(name)
    if request.verb == "create":
        return _create(kube, request.record, held, tick)
    if request.verb == "delete":
        if held is None or held.uid != request.record.uid:
            return kube, None
        return delete(kube, name)
    if request.verb == "adopt":
        ledger = {**dict(kube.ledger), **dict(request.body)}
        return kube._replace(ledger=tuple(sorted(ledger.items()))), None
    if held is None:
        raise KubeError(Failure.NOT_FOUND, name)
    sent = (request.record.uid, request.record.resource_version)
    if (held.uid, held.resource_version) != sent:
        raise KubeError(Failure.CONFLICT, name)
    return put(kube, _changed(held, request))


def _create(
    kube: Kube, record: PodDNAT, held: PodDNAT | None, tick: int
) -> tuple[Kube, PodDNAT | None]:
    if held is not None:
        raise KubeError(Failure.ALREADY_EXISTS, record.key.name)
    serial = kube.serial + 1
    created = wall(tick).strftime("%Y-%m-%dT%H:%M:%SZ")
    made = replace(record, uid=uid(serial), resource_version="1", created=created)
    return kube.with_record(record.key.name, made)._replace(serial=serial), made


def _changed(held: PodDNAT, request: Request) -> PodDNAT:
    match request.verb:
        case "spec":
            return replace(held, spec=request.body, generation=held.generation + 1)
        case "status":
            return replace(held, status=request.body)
        case "metadata":
            finalizers, owners = request.body
            return replace(held, finalizers=finalizers, owners=owners)
        case "finalizers":
            return replace(held, finalizers=request.body)
    raise AssertionError(request.verb)


def put(kube: Kube, record: PodDNAT) -> tuple[Kube, PodDNAT | None]:
    """Store a new version of a PodDNAT; one being deleted goes with its last finalizer."""
    version = str(int(record.resource_version) + 1)
    record = replace(record, resource_version=version)
    gone = record.deleting and not record.finalizers
    return kube.with_record(record.key.name, None if gone else record), record


def delete(kube: Kube, name: str) -> tuple[Kube, PodDNAT | None]:
    """Delete the PodDNAT of that name: at once, or once its finalizers are gone."""
    held = kube.record(name)
    if held is None or held.deleting:
        return kube, held
    marked = replace(held, deleting=True, generation=held.generation + 1)
    return put(kube, marked)


def bereft(kube: Kube) -> list[PodState]:
    """Pods whose workload is gone, which the garbage collector deletes."""
    gone = kube.workload is WorkloadAnswer.GONE and not kube.orphaning
    return [p for p in kube.pods if p.fixed and p.owner == "set" and gone and not p.deleting]


def garbage(kube: Kube) -> list[str]:
    """Names of PodDNATs whose owners are gone, which the garbage collector deletes."""
    living = {LATER.uid, *(pod.uid for pod in kube.pods)}
    if kube.workload is not WorkloadAnswer.GONE or kube.orphaning:
        living.add(WORKLOAD.uid)
    return [
        record.key.name
        for record in kube.records
        if record.owners and not record.deleting and not living & {o.uid for o in record.owners}
    ]


def is_going(kube: Kube, name: str) -> bool:
    """Whether the cluster has a reason of its own to delete the PodDNAT of that name."""
    pod, record = kube.pod(name), kube.record(name)
    owners = {owner.uid for owner in record.owners} if record else set()
    owned = WORKLOAD.uid in owners or (pod is not None and pod.fixed and pod.owner == "set")
    return (
        kube.namespace_goes
        or (pod is not None and pod.deleting)
        or (owned and kube.workload is WorkloadAnswer.GONE)
    )
