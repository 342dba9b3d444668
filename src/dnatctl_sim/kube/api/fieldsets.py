"""Sets of fields as server-side apply writes them down (`FieldsV1`), and their use on objects.

A path step is `f:<name>` for a field, `k:{...}` for the list item with those keys, `v:<json>` for
a value of a set.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from dnatctl_sim.kube.api.strategic import merge_key
from dnatctl_sim.kube.core.objects import Object, dig

Path = tuple[str, ...]
_SETS = frozenset({"finalizers"})


def list_keys(field: str, items: list[Any], schema: Object | None) -> tuple[str, ...]:
    """What tells the items of a list apart when it merges item by item; empty for a whole list.

    By the CRD's schema where there is one, else by the keys of strategic merge patch.
    """
    if schema is not None:
        return tuple(schema.get("x-kubernetes-list-map-keys") or ())
    key = merge_key(field, items)
    return (key,) if key else ()


def part_of(schema: Object | None, *path: str) -> Object | None:
    """The schema of a field; an empty one where the schema does not say (None stays None)."""
    return None if schema is None else dig(schema, *path) or {}


def item_step(item: Object, keys: Iterable[str]) -> str:
    """The path step that names a list item."""
    return "k:" + orjson.dumps({key: item.get(key) for key in keys}).decode()


def fields_of(value: Any, schema: Object | None, name: str = "") -> Object:
    """The set of all fields in `value`."""
    if isinstance(value, dict):
        return {
            f"f:{key}": fields_of(item, part_of(schema, "properties", key), key)
            for key, item in value.items()
        }
    if isinstance(value, list) and name in _SETS:
        return {"v:" + orjson.dumps(item).decode(): {} for item in value}
    keys = list_keys(name, value, schema) if isinstance(value, list) else ()
    items = part_of(schema, "items")
    return (
        {item_step(item, keys): {".": {}, **fields_of(item, items)} for item in value}
        if keys
        else {}
    )


def leaves(fields: Object, prefix: Path = ()) -> Iterator[Path]:
    """Every path of the set that ends there."""
    for step, below in fields.items():
        if step != ".":
            yield from leaves(below, (*prefix, step))
    if prefix and (not fields or "." in fields):
        yield prefix


def build(paths: Iterable[Path]) -> Object:
    """The set of those paths."""
    fields: Object = {}
    for path in paths:
        node = fields
        for step in path:
            node = node.setdefault(step, {})
        if path[-1].startswith("k:"):
            node["."] = {}
    return fields


def value_at(obj: Any, path: Path) -> Any:
    """What is at `path`; None where nothing is."""
    for step in path:
        obj = _child(obj, step)
        if obj is None:
            return None
    return obj


def remove(obj: Any, path: Path) -> None:
    """Take what is at `path` out of `obj`."""
    parent = value_at(obj, path[:-1])
    if isinstance(parent, dict):
        parent.pop(path[-1].removeprefix("f:"), None)
    elif isinstance(parent, list):
        found = _child(parent, path[-1])
        if found is not None:
            parent.remove(found)


def _child(obj: Any, step: str) -> Any:
    if isinstance(obj, dict):
        return obj.get(step.removeprefix("f:"))
    if not isinstance(obj, list) or step[:2] not in ("k:", "v:"):
        return None
    wanted = orjson.loads(step[2:])
    if step.startswith("v:"):
        return wanted if wanted in obj else None
    return next((i for i in obj if all(i.get(k) == v for k, v in wanted.items())), None)
