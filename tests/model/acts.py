"""What people, the cluster and other programs do to a small world, each in all possible ways."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace as changed

from msgspec.structs import replace

from dnatctl.model import EntryStatus, ForwardEntry, NewEntry, PortRange, Protocol
from dnatctl.objects import PodDNAT, PortMapping
from dnatctl.plan.values import WorkloadAnswer
from tests.model import kube as kubes
from tests.model.image import EIP
from tests.model.kube import PodState
from tests.model.world import Act, World, owner_of

Acts = Iterator[tuple[str, World]]


def _free_ips(world: World, ips: tuple[str, ...]) -> list[str]:
    """Addresses that the network may give to a new pod: an ended pod's is free again."""
    taken = {pod.ip for pod in world.kube.pods if not pod.ended and not pod.stuck}
    return [ip for ip in ips if ip not in taken]


def born(name: str, *ips: str, ports: str | None = "80", fixed: bool = False) -> Act:
    """A pod of that name is created, with any address that is free."""

    def act(world: World) -> Acts:
        if world.kube.pod(name) is not None:
            return
        serial = world.kube.serial + 1
        for ip in _free_ips(world, ips):
            pod = PodState(name, kubes.uid(serial), ip, ports, fixed=fixed)
            kube = world.kube.with_pod(name, pod)._replace(serial=serial)
            yield f"pod {name} is created with {ip}", world._replace(kube=kube)

    return act


def deleted(name: str) -> Act:
    """Somebody deletes the pod; its containers run on for a while."""

    def act(world: World) -> Acts:
        pod = world.kube.pod(name)
        if pod is not None and not pod.deleting:
            yield f"pod {name} is deleted", world.pod(pod._replace(deleting=True))

    return act


def stranded(name: str, *, deleting: bool = True) -> Act:
    """The pod's node dies: it stays as it is, "running", and is perhaps deleted and never ends."""

    def act(world: World) -> Acts:
        pod = world.kube.pod(name)
        if pod is not None and not pod.stuck and not pod.ended:
            stuck = pod._replace(stuck=True, deleting=deleting or pod.deleting)
            yield f"the node of pod {name} dies", world.pod(stuck)

    return act


def killed(name: str) -> Act:
    """The pod is removed by force, at once."""

    def act(world: World) -> Acts:
        if world.kube.pod(name) is not None:
            kube = world.kube.with_pod(name, None)
            yield f"pod {name} is removed by force", world._replace(kube=kube)

    return act


def finished(name: str) -> Act:
    """The pod's containers end by themselves; the object stays."""

    def act(world: World) -> Acts:
        pod = world.kube.pod(name)
        if pod is not None and not pod.ended:
            yield f"pod {name} has finished", world.pod(pod._replace(ended=True))

    return act


def readdressed(name: str, *ips: str) -> Act:
    """The pod gets another address, or for a while none."""

    def act(world: World) -> Acts:
        pod = world.kube.pod(name)
        if pod is None or pod.ended:
            return
        for ip in ("", *_free_ips(world, ips)):
            if ip != pod.ip:
                label = f"pod {name} has address {ip or 'no more'}"
                yield label, world.pod(pod._replace(ip=ip))

    return act


def annotated(name: str, *values: str | None) -> Act:
    """Somebody changes what the pod asks for."""

    def act(world: World) -> Acts:
        pod = world.kube.pod(name)
        if pod is None:
            return
        for ports in values:
            if ports != pod.ports:
                label = f"pod {name} asks for {'nothing' if ports is None else ports}"
                yield label, world.pod(pod._replace(ports=ports))

    return act


def row_removed(world: World) -> Acts:
    """Somebody deletes a row by hand."""
    for row in world.cloud.rows:
        if row.status is EntryStatus.AVAILABLE:
            gone = changed(row, status=EntryStatus.DELETING)
            cloud = world.cloud.with_row(row.entry_id, gone)
            yield f"somebody deletes {row.entry_id}", world._replace(cloud=cloud)


def row_turned(*ips: str) -> Act:
    """Somebody makes one of our rows lead to another address."""

    def act(world: World) -> Acts:
        for row in world.cloud.rows:
            if row.status is not EntryStatus.AVAILABLE or not owner_of(world.kube, row):
                continue
            for ip in ips:
                if ip != row.internal_ip:
                    turned = changed(row, internal_ip=ip, status=EntryStatus.PENDING)
                    cloud = world.cloud.with_row(row.entry_id, turned)
                    label = f"somebody turns {row.entry_id} to {ip}"
                    yield label, world._replace(cloud=cloud)

    return act


def row_squatted(*ips: str) -> Act:
    """Somebody else's program makes a row: for any free endpoint, to any of the addresses."""

    def act(world: World) -> Acts:
        for port in (1, 2):
            for ip in ips:
                row = foreign(port, ip, f"fwd-x{port}", status=EntryStatus.PENDING)
                if not any(_clash(row, other) for other in world.cloud.rows):
                    cloud = world.cloud.with_row(row.entry_id, row)
                    label = f"a foreign row leads {EIP}:{port} to {ip}"
                    yield label, world._replace(cloud=cloud)

    return act


def _clash(one: ForwardEntry, other: ForwardEntry) -> bool:
    internal = (one.internal_ip, one.internal_ports) == (other.internal_ip, other.internal_ports)
    return one.external_ports.overlaps(other.external_ports) or internal


def foreign(
    port: int, ip: str, entry_id: str, status: EntryStatus = EntryStatus.AVAILABLE
) -> ForwardEntry:
    """A row that is not dnatctl's."""
    new = NewEntry(EIP, PortRange(port, port), ip, PortRange(80, 80), Protocol.TCP, "somebody")
    return changed(new.as_row(entry_id), status=status)


def record_removed(world: World) -> Acts:
    """Somebody deletes a PodDNAT by hand."""
    for record in world.kube.records:
        if not record.deleting:
            name = record.key.name
            kube, _ = kubes.delete(world.kube, name)
            env = world.env
            if world.kube.orphaning or not kubes.is_going(world.kube, name):
                env = env._replace(wished=(*env.wished, record.uid))
            yield f"somebody deletes PodDNAT {name}", world._replace(kube=kube, env=env)


def record_cleaned_up(world: World) -> Acts:
    """The garbage collector deletes a PodDNAT in the foreground of what it belongs to."""
    for record in world.kube.records:
        name = record.key.name
        if not record.deleting and kubes.is_going(world.kube, name):
            kube, _ = kubes.delete(world.kube, name)
            yield f"garbage collector deletes PodDNAT {name} first", world._replace(kube=kube)


def record_edited(world: World) -> Acts:
    """Somebody writes another endpoint, another's too, or another address into a PodDNAT."""
    for record in world.kube.records:
        specs = [replace(record.spec, internal_ip="10.0.0.9"), replace(record.spec, ports=())]
        specs += [
            replace(record.spec, ports=(PortMapping(port, 80, Protocol.TCP),)) for port in (1, 2, 3)
        ]
        for spec in specs:
            if spec == record.spec:
                continue
            edited = replace(record, spec=spec, generation=record.generation + 1)
            kube, _ = kubes.put(world.kube, edited)
            what = [port.external for port in spec.ports]
            label = f"somebody edits PodDNAT {record.key.name}: {spec.internal_ip} {what}"
            yield label, world._replace(kube=kube)


def record_stripped(world: World) -> Acts:
    """Somebody takes the finalizer off a PodDNAT by force."""
    for record in world.kube.records:
        if record.finalizers:
            kube, _ = kubes.put(world.kube, replace(record, finalizers=()))
            label = f"somebody takes the finalizer off PodDNAT {record.key.name}"
            yield label, world._replace(kube=kube)


def end_forbidden(*verbs: str) -> Act:
    """From now on the API server refuses what those PodDNATs need that are about to end."""

    def act(world: World) -> Acts:
        ends = [record.uid for record in world.kube.records if not _is_served(world, record)]
        if ends and not world.kube.refuses:
            refuses = frozenset((verb, uid) for verb in verbs for uid in ends)
            kube = world.kube._replace(refuses=refuses)
            yield f"PodDNATs are refused: {', '.join(verbs)}", world._replace(kube=kube)

    return act


def _is_served(world: World, record: PodDNAT) -> bool:
    pod = world.kube.pod(record.key.name)
    return pod is not None and pod.asks


def workload_is(*values: WorkloadAnswer) -> Act:
    """The workload is scaled, or deleted."""

    def act(world: World) -> Acts:
        for value in values:
            if value is not world.kube.workload:
                kube = world.kube._replace(workload=value)
                yield f"the workload: {value}", world._replace(kube=kube)

    return act


def workload_orphans(world: World) -> Acts:
    """The workload is deleted without its pods."""
    if world.kube.workload is not WorkloadAnswer.GONE:
        kube = world.kube._replace(workload=WorkloadAnswer.GONE, orphaning=True)
        yield "the workload is deleted without its pods", world._replace(kube=kube)


def namespace_deleted(world: World) -> Acts:
    """Somebody deletes the namespace."""
    if not world.kube.namespace_goes:
        kube = world.kube._replace(namespace_goes=True)
        yield "somebody deletes the namespace", world._replace(kube=kube)


def owned_by(name: str, *owners: str) -> Act:
    """The pod's workload lets go of it, or one takes it (labels, or a workload made anew)."""

    def act(world: World) -> Acts:
        pod = world.kube.pod(name)
        gone = world.kube.workload is WorkloadAnswer.GONE
        for owner in owners:
            if pod is not None and pod.owner != owner and not (owner == "set" and gone):
                label = f"pod {name} belongs to {owner or 'nobody'}"
                yield label, world.pod(pod._replace(owner=owner))

    return act
