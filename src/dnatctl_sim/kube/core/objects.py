"""Reading and writing API objects, which are plain JSON dictionaries here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

Object = dict[str, Any]
"""An API object, or a part of one, as JSON gives it."""


def dig(obj: Any, *path: str | int) -> Any:
    """The value at `path`, or None where any step of it is absent."""
    for step in path:
        if isinstance(step, int):
            obj = obj[step] if isinstance(obj, list) and len(obj) > step else None
        else:
            obj = obj.get(step) if isinstance(obj, dict) else None
        if obj is None:
            return None
    return obj


def metadata(obj: Object) -> Object:
    """The object's metadata, made empty where it has none (or something that is no object)."""
    meta = obj.get("metadata")
    if not isinstance(meta, dict):
        meta = obj["metadata"] = {}
    return meta


def labels_of(obj: Object) -> dict[str, str]:
    """The object's labels; empty where it has none."""
    return dig(obj, "metadata", "labels") or {}


def timestamp(when: datetime) -> str:
    """RFC 3339 in UTC with whole seconds, as metav1.Time is written."""
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def micro_timestamp(when: datetime) -> str:
    """RFC 3339 in UTC with microseconds, as metav1.MicroTime is written."""
    return when.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_timestamp(text: str) -> datetime:
    """Read what `timestamp` or `micro_timestamp` wrote. Raises ValueError for anything else."""
    return datetime.fromisoformat(text)


def controller_of(obj: Object) -> Object | None:
    """The owner reference that is marked as the controller, if there is one."""
    owners: Iterable[Object] = dig(obj, "metadata", "ownerReferences") or ()
    return next((owner for owner in owners if owner.get("controller")), None)


def owner_reference(owner: Object) -> Object:
    """The reference that a controller puts on what it creates for `owner`."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def condition(obj: Object, type_: str) -> Object | None:
    """The entry of status.conditions of that type, if there is one."""
    conditions: Iterable[Object] = dig(obj, "status", "conditions") or ()
    return next((c for c in conditions if c.get("type") == type_), None)


def set_condition(obj: Object, type_: str, status: str, now: str, **texts: str) -> None:
    """Set a condition; its lastTransitionTime moves only when its status changes."""
    conditions: list[Object] = obj.setdefault("status", {}).setdefault("conditions", [])
    present = condition(obj, type_)
    since = present.get("lastTransitionTime", now) if present else now
    if present is None or present.get("status") != status:
        since = now
    fresh = {"type": type_, "status": status, "lastTransitionTime": since, **texts}
    if present is None:
        conditions.append(fresh)
    else:
        conditions[conditions.index(present)] = {**present, **fresh}


def is_subset(wanted: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Whether every pair of `wanted` is among `labels`."""
    return all(labels.get(key) == value for key, value in wanted.items())
