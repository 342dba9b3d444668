"""What goes wrong: processes die, answers are lost or late, workers and readings are held up."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from dnatctl.cloud.errors import ErrorKind
from dnatctl.model import EntryStatus
from tests.model import cloud as clouds
from tests.model.cloud import Call, Cloud, Outcome
from tests.model.controller import describe
from tests.model.image import Image
from tests.model.nature import executed
from tests.model.running import Running, names
from tests.model.world import Next, World, changed


def passes(world: World, running: Running) -> World | None:
    """The world a minute later. No call is under way for so long: None while one is."""
    image, env = world.running, world.env
    if env.lost or env.dead or env.late:
        return None
    if image is not None and (image.call or image.pause or image.reading is not None):
        return None
    later = env._replace(tick=env.tick + 1, used=())
    shown = world.cloud._replace(hidden=frozenset(), behind=None)
    return running.aged(world._replace(env=later, cloud=shown))


def ticks(world: World, running: Running) -> Iterator[Next]:
    """A minute passes. The workers and the poller never leave anything lying for so long."""
    done = [running.reconcile(world, name) for name in names(world)]
    if world.working is not None and world.working.reading is None:
        done.append(running.read(world))
    if all(found.world == world for found in done) and (later := passes(world, running)):
        yield Next("a minute passes", later)


def crash(world: World, _: Running) -> Iterator[Next]:
    """The process dies; what it has sent may yet arrive. Its views are how old others may be."""
    image = world.running
    if image is None:
        return
    sent = (image.call,) if image.call and image.answer is None else ()
    env = world.env._replace(lost=(), dead=(*world.env.dead, *world.env.lost, *sent))
    left = Image(pods=image.pods, records=image.records, leader=False)
    yield Next("the controller dies", world._replace(image=left, env=env))


def stale_start(world: World, running: Running) -> Iterator[Next]:
    """The next process gets an old view of Kubernetes: that of the last one."""
    if world.image is not None and not world.image.leader:
        for stale in (("pods",), ("PodDNATs",), ("pods", "PodDNATs")):
            yield running.start(world, stale)


# --- the table


def answer_lost(world: World, running: Running) -> Iterator[Next]:
    """A write is carried out, and its answer lost."""
    for call, cloud, outcome in _under_way(world):
        label = f"{call}: carried out ({outcome}), the answer is lost"
        effects = executed(call, outcome, stray=False)
        yield running.hears(changed(world, cloud=cloud), ErrorKind.UNKNOWN, label, effects)


def answer_late(world: World, _: Running) -> Iterator[Next]:
    """A write is carried out, and much may happen before its answer is heard."""
    for call, cloud, outcome in _under_way(world):
        if world.image is not None:
            after = changed(world, cloud=cloud, image=world.image._replace(answer=outcome))
            label = f"{call}: carried out ({outcome}), the answer takes its time"
            yield Next(label, after, executed(call, outcome, stray=False))


def request_lost(world: World, running: Running) -> Iterator[Next]:
    """A write is given up before it is carried out; it may yet be, or never."""
    for call, _cloud, _outcome in _under_way(world):
        env = world.env._replace(lost=(*world.env.lost, call))
        label = f"{call}: no answer, it is still on its way"
        yield running.hears(world._replace(env=env), ErrorKind.UNKNOWN, label)


def _under_way(world: World) -> list[tuple[Call, Cloud, Outcome]]:
    """The call that has not been carried out, and what it would do."""
    image = world.running
    if image is None or image.call is None or image.answer is not None:
        return []
    return [(image.call, *clouds.execute(world.cloud, image.call))]


def early(world: World, running: Running) -> Iterator[Next]:
    """A write is sent before the table has settled, and refused."""
    image = world.working
    if image is not None and image.call is None and world.cloud.in_flux:
        yield from running.sends(world, image, "too early ")


def hide(world: World, _: Running) -> Iterator[Next]:
    """Listings lag behind: a row that no reading has shown yet is not in them for a while."""
    image = world.running
    seen = {row.entry.entry_id for row in image.rows if row.seen} if image else set()
    if image is not None and image.reading is not None:
        seen |= {row.entry_id for row in image.reading}
    for row in world.cloud.rows:
        fresh = row.status is EntryStatus.PENDING and row.entry_id not in seen
        if fresh and row.entry_id not in world.cloud.hidden:
            cloud = world.cloud._replace(hidden=world.cloud.hidden | {row.entry_id})
            yield Next(f"listings do not show {row.entry_id} yet", world._replace(cloud=cloud))


def slow_read(world: World, running: Running) -> Iterator[Next]:
    """Much happens between the reading of the table and the taking in."""
    image = world.running
    if image is not None and image.reading is None:
        reading = running.process(world).freeze(reading=world.cloud.listed())
        yield Next("the poller begins to read the table", world._replace(image=reading))


def falls_behind(world: World, _: Running) -> Iterator[Next]:
    """One of the backends that answer readings follows no more, for less than a minute."""
    if world.cloud.behind is None:
        cloud = world.cloud._replace(behind=world.cloud.listed())
        yield Next("a backend falls behind", world._replace(cloud=cloud))


def stale_read(world: World, running: Running) -> Iterator[Next]:
    """A reading begins after a fresh one, and shows the table as it was before."""
    image, behind = world.working, world.cloud.behind
    if image is not None and image.reading is None and behind not in (None, world.cloud.listed()):
        yield running.read(world, behind)


# --- Kubernetes


def end_refused(world: World, running: Running) -> Iterator[Next]:
    """A write that a PodDNAT needs to end is refused: by an admission rule, or by RBAC."""
    for name in names(world):
        yield running.reconcile(world, name, "refused")


def kube_lost(world: World, running: Running) -> Iterator[Next]:
    """A write to Kubernetes is carried out, and its answer lost."""
    for name in names(world):
        yield running.reconcile(world, name, "lost")


def kube_late(world: World, running: Running) -> Iterator[Next]:
    """A write to Kubernetes is given up; it may yet be carried out, or never."""
    for name in names(world):
        yield running.reconcile(world, name, "late")


def slow_look(world: World, running: Running) -> Iterator[Next]:
    """Much happens after a worker has looked, and before it decides."""
    for name in _names_to_pause(world):
        process = running.process(world)
        pause = process.look(name)
        if pause is not None:
            image = process.freeze(pause=pause)
            yield Next(f"worker on {name} looks and is held up", world._replace(image=image))


def slow_take(world: World, running: Running) -> Iterator[Next]:
    """Much happens after a worker has decided, and before its write reaches Kubernetes."""
    for name in _names_to_pause(world):
        process = running.process(world)
        pause = process.decide(name)
        if pause is not None:
            label = f"worker on {name} decides {describe(pause.step)} and is held up"
            yield Next(label, world._replace(image=process.freeze(pause=pause)))


def _names_to_pause(world: World) -> list[str]:
    return [] if world.image is None or world.image.pause else names(world)


Mishap = Callable[[World, Running], Iterator[Next]]

MISHAPS: dict[str, Mishap] = {
    mishap.__name__: mishap
    for mishap in (
        ticks,
        crash,
        stale_start,
        answer_lost,
        answer_late,
        request_lost,
        early,
        hide,
        slow_read,
        falls_behind,
        stale_read,
        end_refused,
        kube_lost,
        kube_late,
        slow_look,
        slow_take,
    )
}
