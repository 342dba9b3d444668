"""The whole small world as a value: Kubernetes, the forward table, a controller, what is under way.

Everything here is immutable and hashable. What may happen next is said elsewhere: by itself
(`nature`), in the controller (`running`), and when something goes wrong (`mishaps`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from dnatctl.model import Endpoint, ForwardEntry
from dnatctl.objects import PodDNAT
from tests.model.cloud import Call, Cloud
from tests.model.controller import MARKS
from tests.model.image import Image
from tests.model.kube import Kube, PodState, Request
from tests.model.setup import Setup


class Env(NamedTuple):
    """What belongs to none of the others.

    `budget`: what may still go wrong or be done. `lost`, `late`: writes to the table and to
    Kubernetes whose senders gave them up, and that may yet be carried out. `dead`: writes to the
    table whose senders died. `used`: endpoints whose row went away at this tick, and whose they
    were. `strays`: rows made by writes of the dead. `wished`: UIDs of PodDNATs that somebody
    deleted while their pods and all around them stayed. `guarded`: nothing else may cut a pod off.
    """

    tick: int
    budget: tuple[tuple[str, int], ...]
    lost: tuple[Call, ...] = ()
    dead: tuple[Call, ...] = ()
    late: tuple[Request, ...] = ()
    used: tuple[tuple[Endpoint, str], ...] = ()
    strays: tuple[str, ...] = ()
    wished: tuple[str, ...] = ()
    guarded: bool = False

    def spend(self, what: str) -> Env:
        """One less of that trouble."""
        budget = tuple((name, count - (name == what)) for name, count in self.budget)
        return self._replace(budget=budget)


class World(NamedTuple):
    """A state. `image` None: no controller has been started yet."""

    kube: Kube
    cloud: Cloud
    image: Image | None
    env: Env

    @property
    def running(self) -> Image | None:
        """The memory of the controller, if one runs."""
        return self.image if self.image is not None and self.image.leader else None

    @property
    def working(self) -> Image | None:
        """The memory of the controller, if it has read the table, so that its workers work."""
        return self.running if self.running is not None and self.running.read else None

    def pod(self, pod: PodState) -> World:
        """With this pod changed, which gives it another version."""
        newer = pod._replace(version=pod.version + 1)
        return self._replace(kube=self.kube.with_pod(pod.name, newer))


class Sent(NamedTuple):
    """A process has sent a write to the table."""

    call: Call


class Executed(NamedTuple):
    """The table was written to. `stray`: the sender is dead."""

    call: Call
    stray: bool


class Stored(NamedTuple):
    """The API server has carried out a write of the controller. `stray`: too late for it."""

    request: Request
    stray: bool


Effect = Sent | Executed | Stored


class Next(NamedTuple):
    """Something that may happen: what, where it leads, what the controller has done thereby."""

    label: str
    world: World
    effects: tuple[Effect, ...] = ()


Act = Callable[[World], Iterator[tuple[str, World]]]
"""Something people or other programs do: all the ways in which it can be done in a state."""


@dataclass(frozen=True)
class Scenario:
    """A small world to explore.

    `budget`: how often each trouble may befall it when it is explored at length; `brief`: budgets
    that are explored in seconds. A trouble is one of the `acts`, or one of `mishaps`.
    """

    name: str
    pods: tuple[PodState, ...]
    budget: dict[str, int]
    brief: tuple[dict[str, int], ...]
    acts: dict[str, Act] = field(default_factory=dict)
    setup: Setup = field(default_factory=Setup)
    rows: tuple[ForwardEntry, ...] = ()
    records: tuple[PodDNAT, ...] = ()
    elsewhere: tuple[tuple[str, int], ...] = ()
    guarded: bool = False

    def begin(self, budget: dict[str, int]) -> World:
        """The world before anything is asked for."""
        env = Env(0, tuple(sorted(budget.items())), guarded=self.guarded)
        return World(Kube(serial=50), Cloud(rows=self.rows, elsewhere=self.elsewhere), None, env)

    def ask(self, world: World) -> World:
        """With what is asked for."""
        return world._replace(kube=world.kube._replace(pods=self.pods, records=self.records))


def owner_of(kube: Kube, row: ForwardEntry) -> str:
    """The UID of the PodDNAT that a row belongs to in truth; empty for a foreign one."""
    noted = dict(kube.ledger).get(row.entry_id)
    return noted.uid if noted is not None else MARKS.owner(row.name)


def endpoints_of(row: ForwardEntry) -> list[Endpoint]:
    """The endpoints of a row with a protocol."""
    if row.protocol is None:
        return []
    ports = range(row.external_ports.first, row.external_ports.last + 1)
    return [Endpoint(row.external_ip, port, row.protocol) for port in ports]


def holder(record: PodDNAT) -> str:
    """Whom an endpoint belongs to: a pod of the same name is another one, unless it is fixed."""
    return " ".join([record.key.name, *(owner.uid for owner in record.owners)])


def changed(before: World, **parts: Any) -> World:
    """`before` with these parts, and with the endpoints noted whose rows went away by that."""
    after = before._replace(**parts)
    if after.cloud is before.cloud:
        return after
    used = tuple(sorted({*after.env.used, *_given_up(before, after)}))
    return after._replace(env=after.env._replace(used=used))


def _given_up(before: World, after: World) -> Iterator[tuple[Endpoint, str]]:
    for row in before.cloud.rows:
        owner = owner_of(before.kube, row)
        if owner and after.cloud.row(row.entry_id) is None:
            record = next((r for r in before.kube.records if r.uid == owner), None)
            for endpoint in endpoints_of(row):
                yield endpoint, holder(record) if record else f"orphan {owner}"
