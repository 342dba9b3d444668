"""What differs from kind to kind when an object is written: defaults, first status, rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import orjson

from dnatctl_sim.kube.api import schema as schemas
from dnatctl_sim.kube.core.causes import Cause
from dnatctl_sim.kube.core.objects import Object, dig
from dnatctl_sim.kube.core.resources import ResourceType


class Strategy:
    """How a kind without rules of its own is written; others override what differs.

    `creates_on_update`: whether a PUT makes what is not there.
    """

    creates_on_update = False

    def default(self, obj: Object) -> None:
        """Fill in what the user may leave out. Runs before every write."""

    def created(self, obj: Object, now: datetime) -> None:
        """Set what the server alone decides about a new object."""

    def validate(self, obj: Object, old: Object | None) -> Iterable[Cause]:
        """What is wrong with `obj`, which takes the place of `old` (None: is created)."""
        del obj, old
        return ()

    def deleting(self, obj: Object) -> None:
        """Set what has to hold an object that is about to be deleted."""

    def grace(self, obj: Object, wanted: int | None) -> int:
        """Seconds between the request to delete `obj` and its removal."""
        del obj, wanted
        return 0


class CustomStrategy(Strategy):
    """Objects of a CRD: pruned, defaulted and validated by its structural schema."""

    def __init__(self, type_: ResourceType) -> None:
        self._schema = type_.schemas.get(type_.version)

    def default(self, obj: Object) -> None:
        """See `Strategy.default`."""
        if self._schema is not None:
            schemas.default(self._schema, obj)

    def validate(self, obj: Object, old: Object | None) -> Iterator[Cause]:
        """See `Strategy.validate`."""
        if self._schema is not None:
            yield from schemas.validate(self._of_news(obj, old or {}), obj)
        if old is not None and not dig(obj, "metadata", "resourceVersion"):
            text = "Invalid value: 0x0: must be specified for an update"
            yield Cause("metadata.resourceVersion", "FieldValueInvalid", text)

    def prune(self, obj: Object, old: Object) -> list[str]:
        """Drop unknown fields; the paths of what was dropped."""
        return [] if self._schema is None else schemas.prune(self._of_news(obj, old), obj)

    def _of_news(self, obj: Object, old: Object) -> Object:
        """The schema, without what is as it was stored: it was held to it then. In this language a
        thousand ports take tens of milliseconds, for which everybody waits who is served."""
        schema = self._schema or {}
        parts = dict(schema.get("properties") or {})
        known = (name for name in parts if name in obj and _is_same(obj[name], old.get(name)))
        return {**schema, "properties": parts | dict.fromkeys(known, schemas.ANYTHING)}


def _is_same(one: Any, other: Any) -> bool:
    """In JSON: for Python 1 and True are equal."""
    return one == other and orjson.dumps(one) == orjson.dumps(other)
