"""Events as events.k8s.io/v1 has them.

https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/ names the limits.
"""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from dnatctl.objects import Key

_NAME_LIMIT = 230
"""Of an object's name within the name of its event, which may have 253 characters."""
_WORD_LIMIT = 128
_NOTE_LIMIT = 1024

Ref = tuple[str, Key, str]
"""Kind, name and UID of an object."""


class Fact(Struct, frozen=True):
    """What an event says. Two equal ones are repeats of each other."""

    regarding: Ref
    type: str
    reason: str
    action: str
    note: str
    related: Ref | None = None

    @property
    def namespace(self) -> str:
        """Where the event belongs."""
        return self.regarding[1].namespace or "default"


class EventSource(Struct, frozen=True):
    """Who says it; `api_versions` are those of the kinds events are about."""

    controller: str
    instance: str
    api_versions: dict[str, str]


def event_json(
    fact: Fact, reporter: EventSource, name: str, first: datetime, series: dict[str, object] | None
) -> dict[str, object]:
    """The whole event, to be created."""
    body: dict[str, object] = {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": fact.namespace},
        "eventTime": micro_time(first),
        "reportingController": reporter.controller,
        "reportingInstance": reporter.instance[:_WORD_LIMIT],
        "type": fact.type,
        "reason": fact.reason[:_WORD_LIMIT],
        "action": fact.action[:_WORD_LIMIT],
        "note": _cut(fact.note),
        "regarding": _reference(fact.regarding, reporter),
    }
    if fact.related is not None:
        body["related"] = _reference(fact.related, reporter)
    if series is not None:
        body["series"] = series
    return body


def series_json(count: int, last: datetime) -> dict[str, object]:
    """What an event says of its repeats."""
    return {"count": count, "lastObservedTime": micro_time(last)}


def event_name(fact: Fact, number: int) -> str:
    """A name for the event, unique if `number` is."""
    return f"{fact.regarding[1].name[:_NAME_LIMIT].rstrip('.-')}.{number:x}"


def micro_time(when: datetime) -> str:
    """A time in UTC as metav1.MicroTime."""
    return when.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _reference(ref: Ref, reporter: EventSource) -> dict[str, str]:
    kind, key, uid = ref
    return {
        "apiVersion": reporter.api_versions.get(kind, ""),
        "kind": kind,
        "namespace": key.namespace,
        "name": key.name,
        "uid": uid,
    }


def _cut(note: str) -> str:
    encoded = note.encode()
    if len(encoded) <= _NOTE_LIMIT:
        return note
    return encoded[: _NOTE_LIMIT - 3].decode(errors="ignore") + "..."
