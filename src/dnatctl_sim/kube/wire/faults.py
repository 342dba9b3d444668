"""What can be made to go wrong on purpose. Everything here is off until a test or user asks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from dnatctl_sim.kube.core.errors import ApiError
from dnatctl_sim.kube.core.objects import Object
from dnatctl_sim.kube.wire.call import Call
from dnatctl_sim.kube.wire.watchfaults import WatchFaults

_REASONS = {
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    410: "Expired",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}


@dataclass(frozen=True)
class Fault:
    """What befalls one request.

    `delay` is in seconds, before the request is carried out. `code`: answer with that status, and
    `retry_after` seconds in Retry-After, instead of carrying it out. `drop`: reset the connection.
    `after`: carry the request out first, so that only its answer is lost or wrong.
    """

    code: int = 0
    message: str = "injected fault"
    retry_after: int | None = None
    delay: float = 0.0
    drop: bool = False
    after: bool = False

    def error(self) -> ApiError | None:
        """The error to answer with, if there is one."""
        if not self.code:
            return None
        reason = _REASONS.get(self.code, "")
        return ApiError(self.code, reason, self.message, retry_after=self.retry_after)


@dataclass(frozen=True)
class Match:
    """Which requests a fault is for; what is empty matches all.

    `resource` is as in `ResourceType.key`, `verb` one of get, list, watch, create, update, patch,
    delete, deletecollection. `user_agent` needs only be contained.
    """

    verb: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    user_agent: str = ""

    def takes(self, call: Call) -> bool:
        """Whether `call` is one of them."""
        target = call.target
        return (
            self.verb in ("", call.verb)
            and self.resource in ("", target.type.key)
            and self.subresource in ("", target.subresource)
            and self.namespace in ("", target.namespace)
            and self.name in ("", target.name)
            and self.user_agent in call.headers.get("User-Agent", "")
        )


@dataclass
class Rule:
    """A fault in force: for which requests, and how often still (None: until it is cancelled)."""

    match: Match
    fault: Fault
    left: int | None
    hits: int = 0

    def cancel(self) -> None:
        """Let no further request meet the fault."""
        self.left = 0


class Stage(StrEnum):
    """When a write hook is called."""

    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True)
class Write:
    """A write about to be carried out, or just carried out, as a hook sees it.

    `code` is the answer's status, 0 before.
    """

    stage: Stage
    verb: str
    resource: str
    subresource: str
    namespace: str
    name: str
    body: bytes
    user_agent: str
    code: int = 0


Hook = Callable[[Write], Fault | None]
"""Called on the server's own thread, which waits: it must not call the server and must be quick."""


class Faults:
    """The faults in force. Safe to use from any thread.

    `expired_over_http`: watches that start too far back are told 410 by the answer's status instead
    of by an ERROR event. `refuse_future_watches`: watches from a revision yet to come are told 504,
    instead of nothing until it comes, which is what kube-apiserver does.
    """

    def __init__(self) -> None:
        self.watches = WatchFaults()
        self.on_write: Hook | None = None
        self.expired_over_http = False
        self.refuse_future_watches = False
        self._lock = threading.Lock()
        self._rules: list[Rule] = []
        self._expired_watches: dict[str, int] = {}
        self._expired_pages = 0

    def add(self, fault: Fault, match: Match | None = None, times: int | None = 1) -> Rule:
        """Let the next `times` matching requests (None: all) meet `fault`."""
        rule = Rule(match or Match(), fault, times)
        with self._lock:
            self._rules.append(rule)
        return rule

    def rules(self) -> list[Rule]:
        """Those that can still be met."""
        with self._lock:
            return [rule for rule in self._rules if rule.left != 0]

    def take(self, call: Call) -> Fault | None:
        """The fault that `call` meets: that of the first rule that fits."""
        if not self._rules:
            return None
        with self._lock:
            self._rules = [rule for rule in self._rules if rule.left != 0]
            rule = next((rule for rule in self._rules if rule.match.takes(call)), None)
            if rule is None:
                return None
            rule.hits += 1
            if rule.left is not None:
                rule.left -= 1
            return rule.fault

    def expire_watches(self, resource: str, times: int = 1) -> None:
        """The next `times` watches of `resource` find their resourceVersion too old (410).

        `expired_over_http` decides whether the answer's status says so or an ERROR event does.
        """
        with self._lock:
            self._expired_watches[resource] = self._expired_watches.get(resource, 0) + times

    def takes_watch(self, resource: str) -> bool:
        """Whether a watch that starts now is told 410."""
        with self._lock:
            left = self._expired_watches.get(resource, 0)
            self._expired_watches[resource] = max(0, left - 1)
            return left > 0

    def expire_pages(self, times: int = 1) -> None:
        """The next `times` continue tokens are too old (410)."""
        with self._lock:
            self._expired_pages += times

    def takes_page(self) -> bool:
        """Whether a continue token that comes now is told 410."""
        with self._lock:
            taken = self._expired_pages > 0
            self._expired_pages -= taken
            return taken

    def clear(self) -> None:
        """No more faults, hooks included."""
        with self._lock:
            self._rules.clear()
            self._expired_watches.clear()
            self._expired_pages = 0
        self.on_write = None
        self.expired_over_http = False
        self.refuse_future_watches = False
        self.watches.clear()


def hooked(hook: Hook | None, call: Call, stage: Stage, code: int = 0) -> Fault | None:
    """Ask the hook, if there is one, about a write."""
    if hook is None:
        return None
    target = call.target
    agent = call.headers.get("User-Agent", "")
    body = call.body
    place = (target.type.key, target.subresource, target.namespace, target.name)
    return hook(Write(stage, call.verb, *place, body=body, user_agent=agent, code=code))


def rule_as_json(rule: Rule) -> Object:
    """The rule as the admin route shows it."""
    match, fault = vars(rule.match), vars(rule.fault)
    return {"match": match, "fault": fault, "left": rule.left, "hits": rule.hits}
