"""Strategic merge patch: lists of objects merge by a key that the field's Go type names.

The keys are the `patchMergeKey` tags of k8s.io/api; the directives are those of
https://github.com/kubernetes/community/blob/master/contributors/devel/sig-api-machinery/strategic-merge-patch.md
"""

from __future__ import annotations

from typing import Any

from dnatctl_sim.kube.core.objects import Object

MERGE_KEYS = {
    "addresses": ("type",),
    "conditions": ("type",),
    "containers": ("name",),
    "ephemeralContainers": ("name",),
    "env": ("name",),
    "hostAliases": ("ip",),
    "imagePullSecrets": ("name",),
    "initContainers": ("name",),
    "ownerReferences": ("uid",),
    "podIPs": ("ip",),
    "ports": ("containerPort", "port"),
    "resourceClaims": ("name",),
    "secrets": ("name",),
    "taints": ("key",),
    "topologySpreadConstraints": ("topologyKey",),
    "volumeDevices": ("devicePath",),
    "volumeMounts": ("mountPath",),
    "volumes": ("name",),
}
"""By field name: the key that items of the list are matched by (the first that an item has)."""

_PRIMITIVE_LISTS = frozenset({"finalizers"})
_ORDER = "$setElementOrder/"
_DELETE = "$deleteFromPrimitiveList/"


def merge_key(field: str, items: list[Any]) -> str | None:
    """The key that the items of list `field` are told apart by; None for an atomic list."""
    for key in MERGE_KEYS.get(field, ()):
        if all(isinstance(item, dict) and (key in item or "$patch" in item) for item in items):
            return key
    return None


def strategic_merge(target: Any, patch: Object) -> Object:
    """What `patch` makes of `target`, which is left as it is."""
    if patch.get("$patch") == "replace":
        return {key: value for key, value in patch.items() if key != "$patch"}
    merged = dict(target) if isinstance(target, dict) else {}
    if "$retainKeys" in patch:
        merged = {key: value for key, value in merged.items() if key in patch["$retainKeys"]}
    for field, value in patch.items():
        if not field.startswith("$"):
            _merge_field(merged, field, value)
    _apply_directives(merged, patch)
    return merged


def _merge_field(merged: Object, field: str, value: Any) -> None:
    if value is None:
        merged.pop(field, None)
    elif isinstance(value, dict):
        if value.get("$patch") == "delete":
            merged.pop(field, None)
        else:
            merged[field] = strategic_merge(merged.get(field), value)
    elif isinstance(value, list):
        merged[field] = _merge_list(field, merged.get(field) or [], value)
    else:
        merged[field] = value


def _merge_list(field: str, present: list[Any], patch: list[Any]) -> list[Any]:
    if field in _PRIMITIVE_LISTS:
        return present + [item for item in patch if item not in present]
    replace = [item for item in patch if isinstance(item, dict) and item.get("$patch") == "replace"]
    if replace:
        return [item for item in patch if item not in replace]
    key = merge_key(field, [*present, *patch])
    return patch if key is None else _merge_by(key, present, patch)


def _merge_by(key: str, present: list[Object], patch: list[Object]) -> list[Object]:
    merged = list(present)
    for item in patch:
        index = next((i for i, have in enumerate(merged) if have.get(key) == item.get(key)), None)
        if item.get("$patch") == "delete":
            merged = [have for have in merged if have.get(key) != item.get(key)]
        elif index is None:
            merged.append(strategic_merge({}, item))
        else:
            merged[index] = strategic_merge(merged[index], item)
    return merged


def _apply_directives(merged: Object, patch: Object) -> None:
    for directive, value in patch.items():
        if directive.startswith(_DELETE):
            field = directive.removeprefix(_DELETE)
            merged[field] = [item for item in merged.get(field) or [] if item not in value]
        elif directive.startswith(_ORDER):
            field = directive.removeprefix(_ORDER)
            if isinstance(merged.get(field), list):
                merged[field] = _in_order(field, merged[field], value)


def _in_order(field: str, items: list[Any], order: list[Any]) -> list[Any]:
    """Put the listed items in the listed order; others keep their place behind their neighbour."""
    key = merge_key(field, [item for item in items if isinstance(item, dict)]) or ""
    wanted = [item.get(key) if isinstance(item, dict) else item for item in order]
    ranks: dict[int, int] = {}
    last = -1
    for index, item in enumerate(items):
        name = item.get(key) if isinstance(item, dict) else item
        last = wanted.index(name) if name in wanted else last
        ranks[index] = last
    return [items[index] for index in sorted(ranks, key=lambda index: ranks[index])]
