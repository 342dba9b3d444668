"""Reads the API server's audit log: who asked for what, and how it was answered."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

_PIECE = 65_536

WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})


@dataclass(frozen=True)
class AuditEvent:
    """One answered request."""

    user: str
    verb: str
    """Kubernetes verb: `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, …"""
    group: str
    """API group of the resource, empty for the core group."""
    resource: str
    """Plural name, empty for a path that is no resource."""
    subresource: str
    namespace: str
    name: str
    code: int
    uri: str
    stage: str
    """`ResponseComplete`; a watch also has `ResponseStarted`, when it begins."""
    user_agent: str
    source: str
    """Address that the request came from."""

    @property
    def is_write(self) -> bool:
        """Whether the request asked for a change."""
        return self.verb in WRITES


class AuditLog:
    """The audit log of one control plane.

    The server logs a request when it has answered it, so the last line may come a moment after
    the client saw the answer: use `eventually`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def mark(self) -> int:
        """A point in the log to read on from later: the end of the last whole line, as the next one
        may be half written."""
        with self._path.open("rb") as log:
            end = log.seek(0, os.SEEK_END)
            while end:
                start = max(end - _PIECE, 0)
                log.seek(start)
                if (at := log.read(end - start).rfind(b"\n")) >= 0:
                    return start + at + 1
                end = start
        return 0

    def events(self, *, since: int = 0, user: str | None = None) -> list[AuditEvent]:
        """What was logged after a `mark`, of one user where named, in order."""
        events = (_event(entry) for entry in self._entries(since))
        return [event for event in events if user in (None, event.user)]

    def _entries(self, since: int) -> Iterator[dict[str, Any]]:
        with self._path.open("rb") as log:
            log.seek(since)
            for line in log:
                if line.endswith(b"\n"):  # else it is being written
                    yield orjson.loads(line)


def _event(entry: dict[str, Any]) -> AuditEvent:
    target = entry.get("objectRef", {})
    return AuditEvent(
        user=entry["user"]["username"],
        verb=entry["verb"],
        group=target.get("apiGroup", ""),
        resource=target.get("resource", ""),
        subresource=target.get("subresource", ""),
        namespace=target.get("namespace", ""),
        name=target.get("name", ""),
        code=entry.get("responseStatus", {}).get("code", 0),
        uri=entry["requestURI"],
        stage=entry["stage"],
        user_agent=entry.get("userAgent", ""),
        source=entry.get("sourceIPs", [""])[0],
    )
