"""The steps of the running controller, each worked out once for all that it can depend on."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

from dnatctl.model import ForwardEntry
from tests.model import cloud as clouds
from tests.model import kube as kubes
from tests.model.cloud import Outcome
from tests.model.controller import Done, Process
from tests.model.image import READ_AGO_S, Image, Pause
from tests.model.nature import executed
from tests.model.setup import Setup
from tests.model.world import Effect, Next, Sent, Stored, World, changed

CLASSES = 4
"""Classes of writes that take turns."""

FAULTS = {
    "": "",
    "lost": ", no answer to its write",
    "late": ", its write is still on its way",
    "refused": ", its write is refused",
}


class Running:
    """The controller of a small world.

    A step is remembered by the identity of the image it starts from: equal images must be the
    same object, and live as long as this.
    """

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._known: dict[tuple[object, ...], Done] = {}

    def process(self, world: World, image: Image | None = None, **options: Any) -> Process:
        """A process with that memory (or the world's), in that world."""
        return Process(
            self._setup,
            image or world.image or Image(),
            world.env.tick,
            kube=world.kube,
            cloud=world.cloud,
            **options,
        )

    def start(self, world: World, stale: tuple[str, ...] = ()) -> Next:
        """A process starts; its view of what is `stale` is the one its predecessor had."""
        old = world.image
        image = Image(
            pods=old.pods if old and "pods" in stale else world.kube.pods,
            records=old.records if old and "PodDNATs" in stale else world.kube.records,
            adopted=world.kube.ledger,
        )
        process = self.process(world, image)
        for record in image.records:
            process.views.record_changed(None, record)
        process.inherit(world.kube.lease)
        view = f", with an old view of {' and '.join(stale)}" if stale else ""
        return Next(f"a controller starts{view}", world._replace(image=process.freeze()))

    def steps(self, world: World, image: Image) -> Iterator[Next]:
        """All that the process may do next."""
        yield from self._watches(world, image)
        yield self.read(world) if image.reading is None else self._take_in(world)
        if not image.read:
            return
        if image.pause is not None:
            yield self._go_on(world, image.pause)
        for name in names(world):
            yield self.reconcile(world, name)
        yield from self._write(world, image)
        if image.quarantine or image.retired:
            yield self._renew(world)
        if image.sightings or _has_orphans(image):
            yield self._sweep(world)

    def aged(self, world: World) -> World:
        """The world after time has passed: what the process remembers of times is older."""
        if world.running is None:
            return world
        return self._step(world, "", lambda process: process.done()).world

    def _step(
        self,
        world: World,
        label: str,
        act: Callable[[Process], Done],
        *depends: object,
        **options: Any,
    ) -> Next:
        """A step that depends on nothing but the image, the time and `depends`."""
        memo = (label, id(world.image), world.env.tick, *depends)
        done = self._known.get(memo)
        if done is None:
            done = self._known[memo] = act(self.process(world, **options))
        kube, env = world.kube, world.env
        for request in done.stored:
            kube, _ = kubes.execute(kube, request, env.tick)
        if done.gone:
            kube = kube._replace(ledger=tuple(i for i in kube.ledger if i[0] not in done.gone))
        if done.lease is not None:
            kube = kube._replace(lease=done.lease)
        if done.late:
            env = env._replace(late=(*env.late, *done.late))
        effects = tuple(Stored(request, stray=False) for request in done.stored)
        label = f"{label}: {done.told}" if done.told else label
        return Next(label, world._replace(kube=kube, image=done.image, env=env), effects)

    # --- views

    def _watches(self, world: World, image: Image) -> Iterator[Next]:
        kube = world.kube
        if image.pods != kube.pods:
            seen = image._replace(pods=kube.pods)
            yield Next("the watch tells of pods", world._replace(image=seen))
        if image.records == kube.records:
            return

        def tell(process: Process) -> Done:
            held = {record.key: record for record in kube.records}
            for name in sorted(process.records.held.keys() | held.keys()):
                process.records.put(name, held.get(name))
            return process.done()

        yield self._step(world, "the watch tells of PodDNATs", tell, kube.records)

    def read(self, world: World, old: tuple[ForwardEntry, ...] | None = None) -> Next:
        """The poller reads the table, and takes in at once what it read.

        `old`: what a backend lists that is behind.
        """
        rows, how = (world.cloud.listed(), "") if old is None else (old, ", as it was")

        def read(process: Process) -> Done:
            gone = process.merge(rows, process.now)
            return process.done()._replace(gone=tuple(gone))

        return self._step(world, f"the poller reads the table{how}", read, rows)

    def _take_in(self, world: World) -> Next:
        def take_in(process: Process) -> Done:
            gone = process.merge(process.image.reading or (), process.now - READ_AGO_S)
            return process.done(reading=None)._replace(gone=tuple(gone))

        return self._step(world, "the poller takes in what it read", take_in)

    # --- workers, lease, sweeper

    def reconcile(self, world: World, name: str, fault: str = "") -> Next:
        """A worker takes one step for that name. `fault`: what befalls its write."""
        label = f"worker on {name}{FAULTS[fault]}"
        part = _server_part(world, name)
        return self._step(world, label, lambda p: p.done(p.reconcile(name)), *part, fault=fault)

    def _go_on(self, world: World, pause: Pause) -> Next:
        label = f"worker on {pause.name} goes on"
        part = _server_part(world, pause.name)
        return self._step(world, label, lambda p: p.done(p.resume(pause), pause=None), *part)

    def _renew(self, world: World) -> Next:
        def renew(process: Process) -> Done:
            text = process.handover()
            process.noted(text)
            return process.done()._replace(lease=text)

        return self._step(world, "the lease is renewed", renew)

    def _sweep(self, world: World) -> Next:
        def sweep(process: Process) -> Done:
            process.sweeper.sweep()
            return process.done()

        uids = frozenset(record.uid for record in world.kube.records)
        return self._step(world, "the sweeper looks", sweep, uids)

    # --- the writer

    def _write(self, world: World, image: Image) -> Iterator[Next]:
        if image.call is None:
            if not world.cloud.in_flux:
                yield from self.sends(world, image)
        elif image.answer is None:
            cloud, outcome = clouds.execute(world.cloud, image.call)
            effects = executed(image.call, outcome, stray=False)
            after = changed(world, cloud=cloud)
            yield self.hears(after, outcome, f"{image.call}: answered {outcome}", effects)
        else:
            label = f"the answer to {image.call} arrives: {image.answer}"
            yield self.hears(world, image.answer, label)

    def sends(self, world: World, image: Image, how: str = "") -> Iterator[Next]:
        """Each write that may be next: some pauses may be over, a lower class may have its turn."""
        waiting = [pending for record in image.backlog.records for pending in record.pending]
        pauses = sorted({pending.postponed for pending in waiting})
        turns = range(CLASSES) if len(waiting) > 1 else (0,)
        told = set()
        for all_due, turn in itertools.product(pauses, turns):

            def send(process: Process, turn: int = turn) -> Done:
                return process.done(call=process.send(turn))

            sent = self._step(world, "writer waits", send, all_due, turn, all_due=all_due)
            if sent.world.image in told:
                continue
            told.add(sent.world.image)
            call = sent.world.image.call if sent.world.image else None
            yield Next(f"writer {how}sends {call}", sent.world, (Sent(call),)) if call else sent

    def hears(
        self, world: World, outcome: Outcome, label: str, effects: tuple[Effect, ...] = ()
    ) -> Next:
        """The writer gets this answer to the call under way, in the world that the call made."""

        def hear(process: Process) -> Done:
            assert process.image.call is not None
            process.hear(process.image.call, outcome)
            return process.done(call=None, answer=None)

        heard = self._step(world, "writer hears", hear, outcome, world.cloud.rows)
        return Next(label, heard.world, effects)


def names(world: World) -> list[str]:
    """Names that a worker may take now: any but the one that another worker has."""
    image = world.working
    if image is None:
        return []
    taken = {image.pause.name} if image.pause else set()
    known = {pod.name for pod in image.pods} | {record.key.name for record in image.records}
    return sorted(known - taken)


def _server_part(world: World, name: str) -> tuple[object, ...]:
    """What a worker on that name may learn from the API server."""
    kube = world.kube
    whole = (kube.workload, kube.serial, kube.namespace_goes, kube.refuses)
    return kube.record(name), kube.pod(name), *whole


def _has_orphans(image: Image) -> bool:
    known = {record.uid for record in image.records}
    return any(row.owner and row.owner not in known for row in image.rows)
