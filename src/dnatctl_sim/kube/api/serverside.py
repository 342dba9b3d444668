"""Server-side apply, as far as appliers meet each other: who else writes is not tracked.

An applier owns what it applies; what it no longer applies goes, unless another applier owns it;
a value that another applier owns cannot be changed without force.
"""

from __future__ import annotations

from typing import Any

from dnatctl_sim.kube.api import fieldsets
from dnatctl_sim.kube.api.fieldsets import Path
from dnatctl_sim.kube.api.options import Target, WriteOptions
from dnatctl_sim.kube.core.causes import Cause
from dnatctl_sim.kube.core.errors import ApiError, bad_request
from dnatctl_sim.kube.core.objects import Object, dig

_UNOWNED = {("f:apiVersion",), ("f:kind",)}
_UNOWNED_METADATA = frozenset({"f:name", "f:namespace", "f:uid", "f:resourceVersion"})


def check_request(applied: Any, options: WriteOptions, target: Target) -> None:
    """Raise ApiError 422 without a field manager, 400 where the body does not name the object."""
    if not options.manager:
        cause = Cause.required("fieldManager", "is required for apply patch")
        kind = "PatchOptions.meta.k8s.io"
        text = f'{kind} "" is invalid: {cause.field}: {cause.message}'
        raise ApiError(422, "Invalid", text)
    if not dig(applied, "metadata", "name"):
        raise bad_request(
            f"the name of the object ({target.name} based on URL) was undeterminable: name must "
            "be provided"
        )


def first(applied: Object, options: WriteOptions, target: Target, now: str) -> Object:
    """The object to create when there is none to apply to."""
    schema = target.type.schemas.get(target.type.version)
    owned = _owned(applied, schema)
    meta = {**applied["metadata"], "managedFields": [_entry(owned, options, target, now)]}
    return {**applied, "metadata": meta}


def merge(live: Object, applied: Object, options: WriteOptions, target: Target, now: str) -> Object:
    """`live` with `applied` applied. Raises ApiError 409 for another applier's fields."""
    schema = target.type.schemas.get(target.type.version)
    owned = _owned(applied, schema)
    entries = live["metadata"].get("managedFields") or []
    subresource = target.subresource
    mine = [e for e in entries if _is_of(e, options.manager, subresource)]
    others = {id(e): set(fieldsets.leaves(e["fieldsV1"])) for e in entries if e not in mine}
    _check_conflicts(live, applied, owned, [e for e in entries if e not in mine], options)
    merged: Object = _overlay(live, applied, schema)
    before = {path for entry in mine for path in fieldsets.leaves(entry["fieldsV1"])}
    kept = owned.union(*others.values())
    for path in sorted(before - kept, key=len):
        fieldsets.remove(merged, path)
    rest = [_without(e, others[id(e)] - owned, others[id(e)]) for e in entries if e not in mine]
    if before == owned and mine and rest == [e for e in entries if e not in mine]:
        fresh = mine
    else:
        fresh = [_entry(owned, options, target, now)]
    merged["metadata"]["managedFields"] = [entry for entry in rest if entry["fieldsV1"]] + fresh
    return merged


def _owned(applied: Object, schema: Object | None) -> set[Path]:
    return {
        path
        for path in fieldsets.leaves(fieldsets.fields_of(applied, schema))
        if path not in _UNOWNED
        and not (path[0] == "f:metadata" and (len(path) < 2 or path[1] in _UNOWNED_METADATA))
    }


def _is_of(entry: Object, manager: str, subresource: str) -> bool:
    same = entry["manager"] == manager and entry.get("subresource", "") == subresource
    return same and bool(entry["operation"] == "Apply")


def _entry(owned: set[Path], options: WriteOptions, target: Target, now: str) -> Object:
    entry = {
        "manager": options.manager,
        "operation": "Apply",
        "apiVersion": target.type.api_version(target.version),
        "time": now,
        "fieldsType": "FieldsV1",
        "fieldsV1": fieldsets.build(sorted(owned)),
    }
    return {**entry, "subresource": target.subresource} if target.subresource else entry


def _without(entry: Object, left: set[Path], had: set[Path]) -> Object:
    return entry if left == had else {**entry, "fieldsV1": fieldsets.build(sorted(left))}


def _check_conflicts(
    live: Object, applied: Object, owned: set[Path], others: list[Object], options: WriteOptions
) -> None:
    if options.force:
        return
    causes = []
    for entry in others:
        for path in sorted(owned & set(fieldsets.leaves(entry["fieldsV1"]))):
            now, wanted = fieldsets.value_at(live, path), fieldsets.value_at(applied, path)
            if now != wanted and not path[-1].startswith("k:"):
                causes.append(_conflict(entry["manager"], path))
    if causes:
        plural = "conflict" if len(causes) == 1 else "conflicts"
        listed = "; ".join(f"{cause['message']}: {cause['field']}" for cause in causes)
        text = f"Apply failed with {len(causes)} {plural}: {listed}"
        raise ApiError(409, "Conflict", text, {"causes": causes})


def _conflict(manager: str, path: Path) -> Object:
    field = "".join(f".{s[2:]}" if s.startswith("f:") else f"[{s[2:]}]" for s in path)
    message = f'conflict with "{manager}"'
    return {"reason": "FieldManagerConflict", "message": message, "field": field}


def _overlay(live: Any, applied: Any, schema: Object | None, name: str = "") -> Any:
    if isinstance(live, dict) and isinstance(applied, dict):
        merged = dict(live)
        for key, value in applied.items():
            part = fieldsets.part_of(schema, "properties", key)
            merged[key] = _overlay(live.get(key), value, part, key)
        return merged
    if isinstance(live, list) and isinstance(applied, list):
        if name == "finalizers":
            return live + [item for item in applied if item not in live]
        keys = fieldsets.list_keys(name, live + applied, schema)
        if keys:
            return _overlay_items(live, applied, keys, fieldsets.part_of(schema, "items"))
    return applied


def _overlay_items(
    live: list[Object], applied: list[Object], keys: tuple[str, ...], schema: Object | None
) -> list[Object]:
    merged = {fieldsets.item_step(item, keys): item for item in live}
    for item in applied:
        step = fieldsets.item_step(item, keys)
        merged[step] = _overlay(merged.get(step), item, schema)
    return list(merged.values())
