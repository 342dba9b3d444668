"""Structural schemas of CRDs: pruning of unknown fields, defaults, validation.

The rules are those of
https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/
CEL rules (`x-kubernetes-validations`) are not evaluated.
"""

from __future__ import annotations

import copy
import ipaddress
import math
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from dnatctl_sim.kube.core.causes import Cause
from dnatctl_sim.kube.core.objects import Object

_PRESERVE = "x-kubernetes-preserve-unknown-fields"
_EMBEDDED = "x-kubernetes-embedded-resource"
ANYTHING: Object = {_PRESERVE: True, "items": {_PRESERVE: True}}
"""The schema that every value keeps to, of which nothing is dropped."""

_ROOT_FIELDS = frozenset({"apiVersion", "kind", "metadata"})


def prune(schema: Object, value: Any, path: str = "", *, root: bool = True) -> list[str]:
    """Drop from `value` what `schema` does not know; the paths of what was dropped."""
    if isinstance(value, list):
        items = schema.get("items") or {}
        found = (prune(items, v, f"{path}[{i}]", root=False) for i, v in enumerate(value))
        return [path for paths in found for path in paths]
    if not isinstance(value, dict):
        return []
    own = _ROOT_FIELDS if root or schema.get(_EMBEDDED) else frozenset()
    dropped: list[str] = []
    for name in list(value):
        where = f"{path}.{name}" if path else name
        part = _part(schema, name)
        if part is not None:
            if name not in own:
                dropped += prune(part, value[name], where, root=False)
        elif name not in own and not schema.get(_PRESERVE):
            del value[name]
            dropped.append(where)
    return dropped


def default(schema: Object, value: Any) -> None:
    """Fill in defaults, and drop nulls where null is not allowed (so that a default can apply)."""
    if isinstance(value, list):
        for item in value:
            default(schema.get("items") or {}, item)
    if not isinstance(value, dict):
        return
    for name, part in (schema.get("properties") or {}).items():
        if name in value and value[name] is None and not part.get("nullable"):
            del value[name]
        if name not in value and "default" in part:
            value[name] = copy.deepcopy(part["default"])
    for name, item in value.items():
        if isinstance(item, dict | list) and (part := _part(schema, name)) is not None:
            default(part, item)


def validate(schema: Object, value: Any, path: str = "") -> Iterator[Cause]:
    """Everything in `value` that breaks `schema`."""
    if value is None and schema.get("nullable"):
        return
    wanted = schema.get("type")
    if schema.get("x-kubernetes-int-or-string"):
        if not (isinstance(value, str) or _is_type("integer", value)):
            yield Cause.wrong_type(path, value, "integer,string")
        return
    if wanted and not _is_type(wanted, value):
        yield Cause.wrong_type(path, value, wanted)
        return
    if "enum" in schema and value not in schema["enum"]:
        yield Cause.unsupported(path, value, schema["enum"])
    yield from _combined(schema, value, path)
    for kind, check in _CHECKS:
        if isinstance(value, kind) and not isinstance(value, bool):
            yield from check(schema, value, path)


def _part(schema: Object, name: str) -> Object | None:
    part: Object | None = (schema.get("properties") or {}).get(name)
    if part is not None:
        return part
    more = schema.get("additionalProperties")
    if isinstance(more, dict):
        return more
    return {_PRESERVE: True} if more is True else None


def _is_type(wanted: str, value: Any) -> bool:
    match wanted:
        case "integer":
            return (isinstance(value, int) and not isinstance(value, bool)) or (
                isinstance(value, float) and value.is_integer()
            )
        case "number":
            return isinstance(value, (int, float)) and not isinstance(value, bool)
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "array":
            return isinstance(value, list)
        case _:
            return isinstance(value, dict)


def _check_object(schema: Object, value: Object, path: str) -> Iterator[Cause]:
    for name in schema.get("required") or ():
        if name not in value:
            yield Cause.required(f"{path}.{name}" if path else name)
    if len(value) < schema.get("minProperties", 0):
        least = schema["minProperties"]
        yield Cause.invalid(path, len(value), f"should have at least {least} properties")
    if "maxProperties" in schema and len(value) > schema["maxProperties"]:
        most = schema["maxProperties"]
        yield Cause.invalid(path, len(value), f"must have at most {most} properties")
    for name, item in value.items():
        part = _part(schema, name)
        if part is not None:
            yield from validate(part, item, f"{path}.{name}" if path else name)


def _check_array(schema: Object, value: list[Any], path: str) -> Iterator[Cause]:
    if len(value) < schema.get("minItems", 0):
        yield Cause.invalid(path, len(value), f"should have at least {schema['minItems']} items")
    if "maxItems" in schema and len(value) > schema["maxItems"]:
        text = f"Too many: {len(value)}: must have at most {schema['maxItems']} items"
        yield Cause(path, "FieldValueTooMany", text)
    keys = schema.get("x-kubernetes-list-map-keys")
    unique = keys or schema.get("x-kubernetes-list-type") == "set" or schema.get("uniqueItems")
    seen: list[Any] = []
    for index, item in enumerate(value):
        yield from validate(schema.get("items") or {}, item, f"{path}[{index}]")
        mark = [item.get(key) for key in keys] if keys and isinstance(item, dict) else item
        if unique and mark in seen:
            yield Cause.duplicate(f"{path}[{index}]", mark)
        seen.append(mark)


def _check_string(schema: Object, value: str, path: str) -> Iterator[Cause]:
    if len(value) < schema.get("minLength", 0):
        least = schema["minLength"]
        yield Cause.invalid(path, value, f"{path} in body should be at least {least} chars long")
    if "maxLength" in schema and len(value) > schema["maxLength"]:
        text = f"Too long: may not be more than {schema['maxLength']} bytes"
        yield Cause(path, "FieldValueTooLong", text)
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield Cause.invalid(path, value, f"{path} in body should match '{schema['pattern']}'")
    reads = _FORMATS.get(schema.get("format", ""))
    if reads is not None:
        try:
            reads(value)
        except ValueError:
            name = schema["format"]
            yield Cause.invalid(path, value, f"{path} in body must be of type {name}: {value!r}")


def _check_number(schema: Object, value: float, path: str) -> Iterator[Cause]:
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None and (value < least or (value == least and schema.get("exclusiveMinimum"))):
        text = f"{path} in body should be greater than or equal to {least}"
        yield Cause.invalid(path, value, text)
    if most is not None and (value > most or (value == most and schema.get("exclusiveMaximum"))):
        text = f"{path} in body should be less than or equal to {most}"
        yield Cause.invalid(path, value, text)
    if "multipleOf" in schema and value % schema["multipleOf"]:
        text = f"{path} in body should be a multiple of {schema['multipleOf']}"
        yield Cause.invalid(path, value, text)


def _combined(schema: Object, value: Any, path: str) -> Iterator[Cause]:
    for part in schema.get("allOf") or ():
        yield from validate(part, value, path)
    for word, most in (("anyOf", math.inf), ("oneOf", 1)):
        if word in schema and not 1 <= sum(_fits(part, value) for part in schema[word]) <= most:
            yield Cause.invalid(path, value, f"{path} in body must validate {word} schemas")
    if "not" in schema and _fits(schema["not"], value):
        yield Cause.invalid(path, value, f"{path} in body must not validate the schema (not)")


def _fits(schema: Object, value: Any) -> bool:
    return next(validate(schema, value), None) is None


def _micro_time(text: str) -> None:
    """Check a time as metav1.MicroTime is read: RFC 3339 with six digits after the second."""
    if not _MICRO_TIME.fullmatch(text):
        raise ValueError(text)
    datetime.fromisoformat(text)


_MICRO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)")
_FORMATS: dict[str, Callable[[str], object]] = {
    "date-time": datetime.fromisoformat,
    "micro-time": _micro_time,
    "ipv4": ipaddress.IPv4Address,
    "ipv6": ipaddress.IPv6Address,
    "cidr": ipaddress.IPv4Network,
}
_CHECKS: tuple[tuple[type | tuple[type, ...], Callable[..., Iterator[Cause]]], ...] = (
    (dict, _check_object),
    (list, _check_array),
    (str, _check_string),
    ((int, float), _check_number),
)
