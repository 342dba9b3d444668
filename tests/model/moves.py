"""All that may happen next in a state of a small world, one atom at a time.

What works as it should (the table settles, a watch tells, a worker works) may happen at any time;
what goes wrong, and what people do, is drawn from a budget, so that the number of states is finite.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, NamedTuple, TypeVar

from tests.model.cloud import Cloud
from tests.model.image import Image
from tests.model.kube import Kube
from tests.model.mishaps import MISHAPS, passes
from tests.model.nature import nature
from tests.model.running import Running
from tests.model.world import Effect, Env, Next, Scenario, World

T = TypeVar("T")


class State(NamedTuple):
    """A world by the numbers of its parts: cheap to hash and to keep."""

    kube: int
    cloud: int
    image: int
    env: int


class Move(NamedTuple):
    """Something that may happen: what, where it leads, what the controller has done thereby."""

    label: str
    target: State
    effects: tuple[Effect, ...] = ()


class Numbered(Generic[T]):
    """Gives equal values the same number."""

    def __init__(self) -> None:
        self._numbers: dict[T, int] = {}
        self.values: list[T] = []

    def number(self, value: T) -> int:
        """The number of a value."""
        found = self._numbers.get(value)
        if found is None:
            found = self._numbers[value] = len(self.values)
            self.values.append(value)
        return found


class Worlds:
    """The states of one scenario with one budget, and the moves between them."""

    def __init__(self, scenario: Scenario, budget: dict[str, int]) -> None:
        self.scenario = scenario
        self._running = Running(scenario.setup)
        self._kubes: Numbered[Kube] = Numbered()
        self._clouds: Numbered[Cloud] = Numbered()
        self._images: Numbered[Image | None] = Numbered()
        self._envs: Numbered[Env] = Numbered()
        self.start = self._begin(budget)

    def _begin(self, budget: dict[str, int]) -> State:
        """A controller has been running for a minute when the pods come."""
        state = self.pack(self._running.start(self.scenario.begin(budget)).world)
        state = self.pack(self._running.read(self.unpack(state)).world)
        state = self.tick(state).target
        return self.pack(self.scenario.ask(self.unpack(state)))

    def pack(self, world: World) -> State:
        """The state of a world."""
        return State(
            self._kubes.number(world.kube),
            self._clouds.number(world.cloud),
            self._images.number(world.image),
            self._envs.number(world.env),
        )

    def unpack(self, state: State) -> World:
        """The world of a state: equal parts of worlds are the same object."""
        return World(
            self._kubes.values[state.kube],
            self._clouds.values[state.cloud],
            self._images.values[state.image],
            self._envs.values[state.env],
        )

    def moves(self, state: State) -> Iterator[Move]:
        """Everything that may happen next."""
        yield from self.progress(state)
        for found in self._troubles(self.unpack(state)):
            yield self._move(found)

    def progress(self, state: State) -> Iterator[Move]:
        """What happens when nothing goes wrong and nobody does anything, but for time."""
        world = self.unpack(state)
        for found in self._progress(world):
            if (move := self._move(found)).target != state:
                yield move

    def tick(self, state: State) -> Move:
        """A minute passes in a state in which nothing is under way."""
        later = passes(self.unpack(state), self._running)
        assert later is not None
        return self._move(Next("a minute passes", later))

    def _move(self, found: Next) -> Move:
        return Move(found.label, self.pack(found.world), found.effects)

    def _progress(self, world: World) -> Iterator[Next]:
        yield from nature(world)
        if world.running is None:
            yield self._running.start(world)
        else:
            yield from self._running.steps(world, world.running)

    def _troubles(self, world: World) -> Iterator[Next]:
        for what, count in world.env.budget:
            if count:
                spent = world._replace(env=world.env.spend(what))
                if what in self.scenario.acts:
                    for label, target in self.scenario.acts[what](spent):
                        yield Next(label, target)
                else:
                    yield from MISHAPS[what](spent, self._running)
