"""Breadth first through all states of a small world, so that a counterexample is a short story."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from tests.model.moves import Move, State, Worlds
from tests.model.rest import NotAtRestError, Rest
from tests.model.rules import broken
from tests.model.world import Scenario

LONGEST = 40
"""Lines of a story: one that is longer goes round in circles."""


class CounterexampleError(AssertionError):
    """A rule is broken; the text tells the story."""


@dataclass(frozen=True)
class Explored:
    """How far it went. `whole`: every state there is was seen."""

    states: int
    moves: int
    depth: int
    whole: bool

    def __str__(self) -> str:
        extent = "all there are" if self.whole else "more lie beyond"
        return f"{self.states:,} states, {self.moves:,} moves, depth {self.depth} ({extent})"


class Explorer:
    """Explores one scenario with one budget."""

    def __init__(self, scenario: Scenario, budget: dict[str, int]) -> None:
        self.scenario = scenario
        self.worlds = Worlds(scenario, budget)
        self._rest = Rest(self.worlds)
        self._came: dict[State, tuple[State, str] | None] = {}

    def run(self, limit: int) -> Explored:
        """Visit up to so many states. Raises CounterexampleError."""
        start = self.worlds.start
        self._came = {start: None}
        line: deque[tuple[State, int]] = deque([(start, 0)])
        moves, depth = 0, 0
        while line and len(self._came) < limit:
            state, depth = line.popleft()
            self._comes_to_rest(state)
            for move in self._moves(state):
                moves += 1
                if move.target not in self._came:
                    self._came[move.target] = (state, move.label)
                    line.append((move.target, depth + 1))
        return Explored(len(self._came), moves, depth, not line)

    def _moves(self, state: State) -> Iterator[Move]:
        before = self.worlds.unpack(state)
        for move in self.worlds.moves(state):
            if complaint := broken(before, self.worlds.unpack(move.target), move.effects):
                raise CounterexampleError(self._story(state, [move], complaint))
            yield move

    def _comes_to_rest(self, state: State) -> None:
        try:
            self._rest.check(state)
        except NotAtRestError as error:
            raise CounterexampleError(self._story(state, error.moves, str(error))) from None

    def _story(self, state: State, then: list[Move], complaint: str) -> str:
        labels: list[str] = []
        came = self._came[state]
        while came is not None:
            state, label = came
            labels.append(label)
            came = self._came[state]
        labels.reverse()
        told = [*labels, *(f"(then) {move.label}" for move in then)]
        lines = [f"{number:3}. {line}" for number, line in enumerate(told, 1)]
        if len(lines) > LONGEST:
            lines[LONGEST - 5 : -4] = ["     and so on"]
        return "\n".join([f"{self.scenario.name}: {complaint}", *lines])
