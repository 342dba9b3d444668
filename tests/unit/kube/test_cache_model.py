"""The cache against a server with a history: news in order, lists of any moment, answers late."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from dnatctl.kube.cache import Cache
from dnatctl.objects import Key

KEYS = st.sampled_from([Key("default", name) for name in "abc"])


@dataclass(frozen=True)
class Thing:
    key: Key
    uid: str
    version: int

    @property
    def resource_version(self) -> str:
        return str(self.version)


@dataclass(frozen=True)
class Change:
    """What a version of the server's history is about; `after` None: deleted."""

    before: Thing | None
    after: Thing | None


class StoreMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.history: list[Change] = []
        self.reached = 0
        """How many versions the watch, or a list, has told of."""
        self.answers: list[Change] = []
        """To own writes; not arrived yet."""
        self.told: dict[Key, Thing] = {}
        """The cache as its handlers tell of it."""
        self.known: dict[str, int] = {}
        """By UID: the newest version that an own write was answered with."""
        self.ended: set[str] = set()
        """UIDs that an own write is known to have ended."""
        self.ended_at: dict[Key, int] = {}
        """By name: the version in which such an object was last held."""
        self.cache: Cache[Thing] = Cache()
        self.cache.on_change(self._handle)

    def _handle(self, old: Thing | None, new: Thing | None) -> None:
        key = (new or old).key  # type: ignore[union-attr]
        assert self.told.get(key) == old, "a handler is told of each change, and of no other"
        assert old != new
        if old is not None and new is not None:
            assert old.uid == new.uid, "another object is told as the end of the former"
            assert new.version > old.version, "news do not go back in time"
        if new is None:
            del self.told[key]
        else:
            assert new.uid not in self.ended, "what is known to have ended does not come back"
            self.told[key] = new

    def _as_of(self, version: int) -> dict[Key, Thing]:
        state: dict[Key, Thing] = {}
        for change in self.history[:version]:
            if change.after is not None:
                state[change.after.key] = change.after
            elif change.before is not None:
                del state[change.before.key]
        return state

    def _happens(self, change: Change, own: bool) -> None:
        self.history.append(change)
        if own:
            self.answers.append(change)

    @rule(key=KEYS, own=st.booleans())
    def write(self, key: Key, own: bool) -> None:
        before = self._as_of(len(self.history)).get(key)
        version = len(self.history) + 1
        uid = before.uid if before else f"uid-{version}"
        self._happens(Change(before, Thing(key, uid, version)), own)

    @rule(key=KEYS, own=st.booleans())
    def delete(self, key: Key, own: bool) -> None:
        before = self._as_of(len(self.history)).get(key)
        if before is not None:
            self._happens(Change(before, None), own)

    @precondition(lambda self: self.reached < len(self.history))
    @rule()
    def news(self) -> None:
        change = self.history[self.reached]
        self.reached += 1
        if change.after is not None:
            self.cache.apply(change.after)
        elif change.before is not None:
            self.cache.remove(change.before.key, change.before.uid, str(self.reached))

    @rule(data=st.data())
    def list_anew(self, data: st.DataObject) -> None:
        version = data.draw(st.integers(self.reached, len(self.history)))
        self.cache.replace(self._as_of(version).values(), str(version))
        self.reached = version

    @precondition(lambda self: self.answers)
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        change = data.draw(st.sampled_from(self.answers))
        self.answers.remove(change)
        if change.after is not None:
            self.cache.note_written(change.after)
            uid, version = change.after.uid, change.after.version
            self.known[uid] = max(version, self.known.get(uid, 0))
        elif change.before is not None:
            held = self.cache.get(change.before.key)
            if held is not None and held.uid == change.before.uid:
                self.ended.add(held.uid)
                self.ended_at[held.key] = held.version
            self.cache.note_deleted(change.before.key, change.before.uid)

    @invariant()
    def holds_what_it_tells(self) -> None:
        assert {held.key: held for held in self.cache.values()} == self.told
        assert len(self.cache) == len(self.told)

    @invariant()
    def is_never_older_than_what_was_answered(self) -> None:
        for held in self.cache.values():
            assert held.version >= self.known.get(held.uid, 0)
            assert self.cache.get(held.key) == held
            assert self.cache.holds(held.key, held.uid)

    @invariant()
    def is_never_older_than_the_news(self) -> None:
        for key, thing in self._as_of(self.reached).items():
            held = self.cache.get(key)
            if held is not None:
                assert held.version >= thing.version
            else:
                assert thing.uid in self.ended or self.ended_at[key] >= thing.version

    def teardown(self) -> None:
        """In the end it holds what the server holds."""
        while self.answers:
            self.answer_first()
        while self.reached < len(self.history):
            self.news()
        assert self.told == self._as_of(len(self.history))

    def answer_first(self) -> None:
        change = self.answers.pop(0)
        if change.after is not None:
            self.cache.note_written(change.after)
        elif change.before is not None:
            self.cache.note_deleted(change.before.key, change.before.uid)


TestStore = StoreMachine.TestCase
