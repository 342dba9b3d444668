"""Label and field selectors: `app=web,tier in (a,b),!canary`, `spec.nodeName=n1`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from dnatctl_sim.kube.core.errors import ApiError, bad_request
from dnatctl_sim.kube.core.objects import Object

Requirement = Callable[[Mapping[str, str]], bool]

_SET = re.compile(r"^\s*(?P<key>[^\s!=,()]+)\s+(?P<op>in|notin)\s*\((?P<values>[^)]*)\)\s*$")
_PAIR = re.compile(r"^\s*(?P<key>[^\s!=,()]+)\s*(?P<op>==|!=|=)\s*(?P<value>[^\s!=,()]*)\s*$")
_NAME = re.compile(r"^\s*(?P<no>!?)\s*(?P<key>[^\s!=,()]+)\s*$")
_COMMA = re.compile(r",(?![^(]*\))")


@dataclass(frozen=True)
class Selector:
    """Both selectors of a list or watch. Without requirements it takes everything."""

    labels: tuple[Requirement, ...] = ()
    fields: tuple[Requirement, ...] = ()

    @property
    def everything(self) -> bool:
        """Whether nothing is left out."""
        return not self.labels and not self.fields

    def matches(self, labels: Mapping[str, str], fields: Mapping[str, str]) -> bool:
        """Whether an object with these labels and fields is selected."""
        return all(want(labels) for want in self.labels) and all(
            want(fields) for want in self.fields
        )


def parse(labels: str, fields: str, known_fields: frozenset[str]) -> Selector:
    """Read both selectors; `known_fields` are the field names that may be used.

    Raises ApiError 400 for what cannot be read or selects by an unknown field.
    """
    return Selector(_parse_labels(labels), _parse_fields(fields, known_fields))


def _parse_labels(text: str) -> tuple[Requirement, ...]:
    return tuple(_label_requirement(part) for part in _COMMA.split(text)) if text.strip() else ()


def _label_requirement(part: str) -> Requirement:
    if found := _SET.match(part):
        values = frozenset(value.strip() for value in found["values"].split(","))
        return _in(found["key"], values) if found["op"] == "in" else _not_in(found["key"], values)
    if found := _PAIR.match(part):
        value = frozenset((found["value"],))
        return _not_in(found["key"], value) if found["op"] == "!=" else _in(found["key"], value)
    if found := _NAME.match(part):
        return _absent(found["key"]) if found["no"] else _present(found["key"])
    raise bad_request(f'unable to parse requirement: found "{part}"')


def _parse_fields(text: str, known: frozenset[str]) -> tuple[Requirement, ...]:
    return tuple(_field_requirement(part, known) for part in text.split(",") if part.strip())


def _field_requirement(part: str, known: frozenset[str]) -> Requirement:
    found = _PAIR.match(part)
    if not found:
        raise bad_request(f'invalid selector: "{part}"; can\'t understand "{part}"')
    if found["key"] not in known:
        raise _unknown_field(found["key"], known)
    key, value = found["key"], found["value"]
    if found["op"] == "!=":
        return lambda fields: fields.get(key, "") != value
    return lambda fields: fields.get(key, "") == value


def _unknown_field(key: str, known: frozenset[str]) -> ApiError:
    if len(known) > 2:
        return bad_request(f"field label not supported: {key}")
    names = ", ".join(f'"{name}"' for name in sorted(known))
    return bad_request(f'"{key}" is not a known field selector: only {names}')


def _in(key: str, values: frozenset[str]) -> Requirement:
    return lambda labels: labels.get(key) in values


def _not_in(key: str, values: frozenset[str]) -> Requirement:
    return lambda labels: labels.get(key) not in values


def _present(key: str) -> Requirement:
    return lambda labels: key in labels


def _absent(key: str) -> Requirement:
    return lambda labels: key not in labels


def from_object(selector: Object | None) -> Selector:
    """Read a `metav1.LabelSelector`. None selects nothing, as in the API."""
    if selector is None:
        return Selector(labels=(lambda _: False,))
    wants = [_in(key, frozenset((value,))) for key, value in _pairs(selector)]
    operators = {"In": _in, "NotIn": _not_in}
    for expression in selector.get("matchExpressions") or ():
        key, operator = expression["key"], expression["operator"]
        if operator in operators:
            wants.append(operators[operator](key, frozenset(expression.get("values") or ())))
        else:
            wants.append(_present(key) if operator == "Exists" else _absent(key))
    return Selector(labels=tuple(wants))


def to_text(selector: Object | None) -> str:
    """A `metav1.LabelSelector` the way `-l` takes it."""
    parts = [f"{key}={value}" for key, value in sorted(_pairs(selector or {}))]
    for expression in (selector or {}).get("matchExpressions") or ():
        values = ",".join(sorted(expression.get("values") or ()))
        forms = {
            "In": f"{expression['key']} in ({values})",
            "NotIn": f"{expression['key']} notin ({values})",
            "Exists": expression["key"],
            "DoesNotExist": f"!{expression['key']}",
        }
        parts.append(forms[expression["operator"]])
    return ",".join(parts)


def _pairs(selector: Object) -> list[tuple[str, str]]:
    return list((selector.get("matchLabels") or {}).items())
