"""What happens by itself, sooner or later: in the cluster, in the cloud, on the wire."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from dnatctl.cloud.errors import ErrorKind
from dnatctl.kube.errors import KubeError
from dnatctl.model import EntryStatus
from tests.model import cloud as clouds
from tests.model import kube as kubes
from tests.model.cloud import Call, Outcome
from tests.model.kube import Request
from tests.model.world import Env, Executed, Next, Stored, World, changed


def nature(world: World) -> Iterator[Next]:
    """All of it, one thing at a time."""
    yield from _pods(world)
    yield from _garbage(world)
    yield from _orphans(world)
    yield from _namespace(world)
    yield from _strays(world)
    for row in world.cloud.rows:
        if row.status is not EntryStatus.AVAILABLE:
            settled = clouds.settle(world.cloud, row.entry_id)
            yield Next(f"the table settles {row.entry_id}", changed(world, cloud=settled))
    if world.cloud.hidden:
        shown = world.cloud._replace(hidden=frozenset())
        yield Next("listings show all rows", world._replace(cloud=shown))


def _pods(world: World) -> Iterator[Next]:
    """Pods being deleted end and go; the garbage collector deletes those without a workload."""
    for pod in world.kube.pods:
        if pod.stuck:
            continue
        if pod.deleting and not pod.ended:
            yield Next(f"containers of {pod.name} end", world.pod(pod._replace(ended=True)))
        elif pod.deleting:
            kube = world.kube.with_pod(pod.name, None)
            yield Next(f"pod {pod.name} is removed", world._replace(kube=kube))
    for pod in kubes.bereft(world.kube):
        deleted = world.pod(pod._replace(deleting=True))
        yield Next(f"garbage collector deletes pod {pod.name}", deleted)


def _garbage(world: World) -> Iterator[Next]:
    for name in kubes.garbage(world.kube):
        kube, _ = kubes.delete(world.kube, name)
        yield Next(f"garbage collector deletes PodDNAT {name}", world._replace(kube=kube))


def _orphans(world: World) -> Iterator[Next]:
    """The garbage collector lets go of what a workload deleted without its pods has."""
    if not world.kube.orphaning:
        return
    pods = [pod for pod in world.kube.pods if pod.fixed and pod.owner == "set"]
    records = [r for r in world.kube.records if kubes.WORKLOAD in r.owners]
    for pod in pods:
        label = f"garbage collector lets go of pod {pod.name}"
        yield Next(label, world.pod(pod._replace(owner="")))
    for record in records:
        kube, _ = kubes.put(world.kube, replace(record, owners=()))
        label = f"garbage collector lets go of PodDNAT {record.key.name}"
        yield Next(label, world._replace(kube=kube))
    if not pods:
        # It has a list of its own of what it lets go: what came to the workload since is not on it.
        kube = world.kube._replace(orphaning=False)
        yield Next("the workload is gone", world._replace(kube=kube))


def _namespace(world: World) -> Iterator[Next]:
    """A namespace that goes has all in it deleted, in any order."""
    if not world.kube.namespace_goes:
        return
    for record in world.kube.records:
        if not record.deleting:
            kube, _ = kubes.delete(world.kube, record.key.name)
            label = f"namespace controller deletes PodDNAT {record.key.name}"
            yield Next(label, world._replace(kube=kube))
    for pod in world.kube.pods:
        if not pod.deleting:
            label = f"namespace controller deletes pod {pod.name}"
            yield Next(label, world.pod(pod._replace(deleting=True)))


def _strays(world: World) -> Iterator[Next]:
    """Writes that nobody waits for any more arrive, or never do."""
    env = world.env
    for call in (*env.lost, *env.dead):
        left = env._replace(
            lost=tuple(other for other in env.lost if other is not call),
            dead=tuple(other for other in env.dead if other is not call),
        )
        yield Next(f"{call}: never arrives", world._replace(env=left))
        yield _late_call(world, call, left)
    for request in env.late:
        left = env._replace(late=tuple(other for other in env.late if other is not request))
        yield Next(f"{request}: never arrives", world._replace(env=left))
        yield _late_request(world, request, left)


def _late_call(world: World, call: Call, env: Env) -> Next:
    cloud, outcome = clouds.execute(world.cloud, call)
    dead = call in world.env.dead
    if dead and call.verb == "create" and cloud.row(outcome):
        env = env._replace(strays=(*env.strays, outcome))
    label = f"{call}: arrives late, answered {outcome}"
    # Asked again meanwhile and answered, it changes nothing any more.
    effects = () if cloud == world.cloud else executed(call, outcome, stray=dead)
    return Next(label, changed(world, cloud=cloud, env=env), effects)


def _late_request(world: World, request: Request, env: Env) -> Next:
    try:
        kube, _ = kubes.execute(world.kube, request, env.tick)
    except KubeError as error:
        return Next(f"{request}: arrives late, {error.failure}", world._replace(env=env))
    stored = (Stored(request, stray=True),)
    return Next(f"{request}: arrives late", world._replace(kube=kube, env=env), stored)


def executed(call: Call, outcome: Outcome, *, stray: bool) -> tuple[Executed, ...]:
    """The effect of a call that was answered so."""
    return () if isinstance(outcome, ErrorKind) else (Executed(call, stray),)
