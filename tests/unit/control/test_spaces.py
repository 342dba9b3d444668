"""Namespaces' labels: watched once, by whoever finds first that they mean something."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

from dnatctl.control.sight.spaces import Spaces


class Line:
    """A lock that says when somebody stands in line for it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.waited_for = threading.Event()

    def __enter__(self) -> None:
        if not self.lock.acquire(blocking=False):
            self.waited_for.set()
            self.lock.acquire()

    def __exit__(self, *_: object) -> None:
        self.lock.release()


class Interrupted(Spaces):
    """Somebody else begins just as is asked whether that was done."""

    _other: threading.Thread | None = None

    @property
    def _begun(self) -> bool:
        known = self.__dict__.get("begun", False)
        if self._other is None:
            self._other = threading.Thread(target=self.begin)
            self._other.start()
            while self._other.is_alive() and not self._beginning.waited_for.is_set():  # type: ignore[attr-defined]
                self._other.join(0.01)
        return known

    @_begun.setter
    def _begun(self, begun: bool) -> None:
        self.__dict__["begun"] = begun


def test_they_are_watched_once_however_many_begin_at_the_same_time():
    """A file is taken in while the process starts."""
    started: list[int] = []
    watched: Any = SimpleNamespace(start=lambda: started.append(1))
    nobody: Any = None
    rules: Any = lambda: SimpleNamespace(selector="app=x")  # noqa: E731
    spaces = Interrupted(watched, nobody, rules)
    spaces._beginning = Line()  # type: ignore[assignment]
    spaces.begin()
    assert spaces._other is not None
    spaces._other.join(60)
    assert started == [1]
    assert spaces.informers() == (watched,)
