"""What clients have asked for, for tests that count requests and for people who look."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass

from dnatctl_sim.kube.core.objects import Object
from dnatctl_sim.kube.wire.call import WRITE_VERBS


@dataclass
class Request:
    """One request. `time` is in seconds since the epoch; `code` 0 while (or if never) unanswered.

    `verb` and `resource` (as `ResourceType.key`, with `/status` for a subresource) are empty for
    what is no resource: discovery, health. `seconds` is the time to the answer's first byte.
    """

    time: float
    user_agent: str
    method: str
    path: str
    query: str = ""
    verb: str = ""
    resource: str = ""
    namespace: str = ""
    name: str = ""
    code: int = 0
    seconds: float = 0.0

    @property
    def writes(self) -> bool:
        """Whether the request is one that changes something."""
        return self.verb in WRITE_VERBS


class RequestLog:
    """The latest requests, oldest first. Safe to use from any thread."""

    def __init__(self, size: int = 50_000) -> None:
        self._lock = threading.Lock()
        self._requests: deque[Request] = deque(maxlen=size)

    def append(self, request: Request) -> None:
        """Note one more."""
        with self._lock:
            self._requests.append(request)

    def all(self, matching: Callable[[Request], bool] = lambda _: True) -> list[Request]:
        """Those that `matching` says yes to, oldest first."""
        with self._lock:
            return [request for request in self._requests if matching(request)]

    def writes(self, user_agent: str = "") -> list[Request]:
        """Those that change something, of clients whose user agent contains `user_agent`."""
        return self.all(lambda r: r.writes and user_agent in r.user_agent)

    def clear(self) -> None:
        """Forget them all."""
        with self._lock:
            self._requests.clear()


def as_json(request: Request) -> Object:
    """The request as the admin route shows it."""
    return asdict(request)
