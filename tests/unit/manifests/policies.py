"""Admission policies, judged as an API server would.

The language is evaluated by a library; what Kubernetes adds to it is here.
https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-cel-libraries
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

import cel

from tests.unit.manifests.built import Object, with_component

Leave = Callable[[Object], bool]
"""Whether a check of the authorizer is answered yes: group, resource and verb."""


def nobody(_: Object) -> bool:
    return False


@cache
def part(component: str, kind: str, name: str) -> Any:
    """One object of what is installed where the component is taken along."""
    (found,) = (
        item
        for item in with_component(component)
        if (item["kind"], item["metadata"]["name"]) == (kind, name)
    )
    return found


def complaints(
    component: str,
    policy: str,
    new: Object,
    old: Object | None,
    request: Object,
    may: Leave = nobody,
) -> list[str]:
    """What is said of the write, a text for each rule that is against it."""
    spec = part(component, "ValidatingAdmissionPolicy", policy)["spec"]
    context = _context(new, old, request, may)
    conditions = spec.get("matchConditions", ())
    if not all(cel.evaluate(one["expression"], context) for one in conditions):
        return []
    variables: Object = {}
    for variable in spec.get("variables", ()):
        variables[variable["name"]] = cel.evaluate(variable["expression"], context)
        context.add_variable("variables", variables)
    return [
        cel.evaluate(rule["messageExpression"], context)
        if "messageExpression" in rule
        else rule["message"]
        for rule in spec["validations"]
        if not cel.evaluate(rule["expression"], context)
    ]


def _context(new: Object, old: Object | None, request: Object, may: Leave) -> cel.Context:
    names = {"object": new, "oldObject": old, "request": request, "variables": {}}
    functions: dict[str, Callable[..., Any]] = {
        "split": lambda text, at: text.split(at),
        "findAll": lambda text, pattern: re.findall(pattern, text),
        "substring": lambda text, start, end: text[start:end],
        "sum": sum,
        # The authorizer is built up step by step: here a mapping of what it was told so far.
        "group": lambda check, name: check | {"group": name},
        "resource": lambda check, name: check | {"resource": name},
        "check": lambda check, verb: check | {"verb": verb},
        "allowed": may,
    }
    return cel.Context(names | {"authorizer": {}}, functions)
