"""The work queue against a plain model of it, by any sequence of calls."""

from __future__ import annotations

from random import Random

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from dnatctl.control.state.delays import Priority
from dnatctl.control.state.queue import WorkQueue
from tests.support.clock import FakeClock

KEYS = st.sampled_from(("a", "b", "c1", "c2", "d1", "d2"))
PRIORITIES = st.sampled_from(Priority)
DELAYS = st.integers(0, 8).map(float)


def lane(key: str) -> str:
    """Keys of one letter never run at once."""
    return key[0]


def share(key: str) -> bool:
    """They are given out in turn with the others."""
    return key in ("a", "c1", "c2")


class QueueMachine(RuleBasedStateMachine):
    """The model: for each key whether a run is owed now, and at which times one will be."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.queue: WorkQueue[str] = WorkQueue(
            clock=self.clock,
            lane=lane,
            share=share,
            random=Random(0),
            backoff=(1.0, 4.0),
        )
        self.owed: set[str] = set()
        self.at: dict[str, float] = {}
        self.retry_at: dict[str, float] = {}
        self.in_work: set[str] = set()

    def _pass_time(self) -> None:
        """What waits becomes due when the queue is asked; until then, times still merge."""
        for times in (self.at, self.retry_at):
            for key, when in list(times.items()):
                if when <= self.clock.monotonic():
                    del times[key]
                    self.owed.add(key)

    @rule(key=KEYS, priority=PRIORITIES)
    def add(self, key: str, priority: Priority) -> None:
        self.queue.add(key, priority)
        self.owed.add(key)
        self.retry_at.pop(key, None)

    @rule(key=KEYS, seconds=DELAYS, priority=PRIORITIES)
    def add_after(self, key: str, seconds: float, priority: Priority) -> None:
        self.queue.add_after(key, seconds, priority)
        when = self.clock.monotonic() + seconds
        self.at[key] = min(when, self.at.get(key, when))

    @rule(key=KEYS)
    def add_rate_limited(self, key: str) -> None:
        when = self.queue.add_rate_limited(key) + self.clock.monotonic()
        self.retry_at[key] = min(when, self.retry_at.get(key, when))

    @rule(key=KEYS)
    def forget(self, key: str) -> None:
        self.queue.forget(key)

    @rule(seconds=DELAYS)
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule()
    def take(self) -> None:
        self._pass_time()
        key = self.queue.get(0)
        if key is None:
            assert not self._runnable(), "something is due and was not given out"
            return
        assert key in self.owed, "nobody asked for this run"
        assert lane(key) not in map(lane, self.in_work), "two workers are in its lane"
        self.owed.discard(key)
        self.in_work.add(key)

    def _runnable(self) -> set[str]:
        busy = set(map(lane, self.in_work))
        return {key for key in self.owed if lane(key) not in busy}

    @precondition(lambda self: self.in_work)
    @rule(data=st.data())
    def look(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.in_work)))
        self.queue.looking(key)
        self.owed.discard(key)

    @rule(key=KEYS)
    def drop(self, key: str) -> None:
        self.queue.drop(key)
        for times in (self.at, self.retry_at):
            times.pop(key, None)

    @precondition(lambda self: self.in_work)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.in_work)))
        self.queue.done(key)
        self.in_work.discard(key)

    @invariant()
    def counts_agree(self) -> None:
        # One that waits for its lane counts until a worker has come across it.
        assert len(self._runnable()) <= len(self.queue) <= len(self.owed - self.in_work)

    def teardown(self) -> None:
        """Whatever was asked for is done in the end."""
        for key in sorted(self.in_work):
            self.queue.done(key)
        self.clock.advance(100)
        self.in_work.clear()
        self._pass_time()
        left = set()
        while (key := self.queue.get(0)) is not None:
            left.add(key)
            self.queue.done(key)
        assert left == self.owed


TestQueue = QueueMachine.TestCase
