"""The protobuf bodies of `kubectl create <kind>`, which are the only ones kubectl sends that way.

A body is `k8s\\0`, then a `runtime.Unknown` that wraps the object. Field numbers are those of the
generated.proto files of k8s.io/api and k8s.io/apimachinery; of each message only the fields that
`kubectl create` can set are known, and any other field that is not empty is an error.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dnatctl_sim.kube.core.errors import bad_request
from dnatctl_sim.kube.core.objects import Object

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"
_VARINT, _BYTES = 0, 2


@dataclass(frozen=True)
class _Field:
    """`kind`: `text`, `number`, `flag`, `data` (base64 in JSON), `port` (IntOrString) or a message.

    `many`: a list. `pairs`: a map of text to `kind`. `skip`: read, but not taken over.
    """

    name: str
    kind: str | Mapping[int, _Field] = "text"
    many: bool = False
    pairs: bool = False
    skip: bool = False


_Message = Mapping[int, _Field]


def _texts(*names: str) -> dict[int, _Field]:
    return {number: _Field(name) for number, name in enumerate(names, 1)}


_META: _Message = {
    1: _Field("name"),
    2: _Field("generateName"),
    3: _Field("namespace"),
    11: _Field("labels", pairs=True),
    12: _Field("annotations", pairs=True),
    14: _Field("finalizers", many=True),
}
_SELECTOR: _Message = {1: _Field("matchLabels", pairs=True)}
_PORT: _Message = {
    1: _Field("name"),
    2: _Field("hostPort", "number"),
    3: _Field("containerPort", "number"),
    4: _Field("protocol"),
    5: _Field("hostIP"),
}
_CONTAINER: _Message = {
    1: _Field("name"),
    2: _Field("image"),
    3: _Field("command", many=True),
    4: _Field("args", many=True),
    6: _Field("ports", _PORT, many=True),
    8: _Field("resources", {}),
}
_POD_SPEC: _Message = {
    2: _Field("containers", _CONTAINER, many=True),
}
_TEMPLATE: _Message = {1: _Field("metadata", _META), 2: _Field("spec", _POD_SPEC)}
_DEPLOYMENT_SPEC: _Message = {
    1: _Field("replicas", "number"),
    2: _Field("selector", _SELECTOR),
    3: _Field("template", _TEMPLATE),
    4: _Field("strategy", {1: _Field("type")}),
    5: _Field("minReadySeconds", "number"),
    7: _Field("paused", "flag"),
}
_SERVICE_PORT: _Message = {
    1: _Field("name"),
    2: _Field("protocol"),
    3: _Field("port", "number"),
    4: _Field("targetPort", "port"),
    5: _Field("nodePort", "number"),
}
_SERVICE_SPEC: _Message = {
    1: _Field("ports", _SERVICE_PORT, many=True),
    2: _Field("selector", pairs=True),
    3: _Field("clusterIP"),
    4: _Field("type"),
    10: _Field("externalName"),
}
_RULE: _Message = {
    number: _Field(name, many=True)
    for number, name in enumerate(
        ("verbs", "apiGroups", "resources", "resourceNames", "nonResourceURLs"), 1
    )
}
_BUDGET_SPEC: _Message = {
    1: _Field("minAvailable", "port"),
    2: _Field("selector", _SELECTOR),
    3: _Field("maxUnavailable", "port"),
}
_ROLE: _Message = {1: _Field("metadata", _META), 2: _Field("rules", _RULE, many=True)}
_BINDING: _Message = {
    1: _Field("metadata", _META),
    2: _Field("subjects", _texts("kind", "apiGroup", "name", "namespace"), many=True),
    3: _Field("roleRef", _texts("apiGroup", "kind", "name")),
}


def _object(spec: _Message) -> _Message:
    return {1: _Field("metadata", _META), 2: _Field("spec", spec), 3: _Field("", {}, skip=True)}


_KINDS: dict[str, _Message] = {
    "Namespace": _object({}),
    "Deployment": _object(_DEPLOYMENT_SPEC),
    "Service": _object(_SERVICE_SPEC),
    "PodDisruptionBudget": _object(_BUDGET_SPEC),
    "ServiceAccount": {1: _Field("metadata", _META)},
    "ConfigMap": {
        1: _Field("metadata", _META),
        2: _Field("data", pairs=True),
        3: _Field("binaryData", "data", pairs=True),
    },
    "Secret": {
        1: _Field("metadata", _META),
        2: _Field("data", "data", pairs=True),
        3: _Field("type"),
        4: _Field("stringData", pairs=True),
    },
    "Role": _ROLE,
    "ClusterRole": _ROLE,
    "RoleBinding": _BINDING,
    "ClusterRoleBinding": _BINDING,
    "PriorityClass": {
        1: _Field("metadata", _META),
        2: _Field("value", "number"),
        3: _Field("globalDefault", "flag"),
        4: _Field("description"),
        5: _Field("preemptionPolicy"),
    },
}


def decode(body: bytes) -> Object:
    """The object in a protobuf body. Raises ApiError 400 for what cannot be read."""
    if not body.startswith(_MAGIC):
        raise bad_request("the body is not protobuf of Kubernetes")
    try:
        unknown = dict(_wire(body[len(_MAGIC) :]))
        meta = _message(unknown[1], _texts("apiVersion", "kind"))
        return meta | _message(unknown.get(2, b""), _KINDS[meta["kind"]])
    except (KeyError, IndexError, ValueError, TypeError) as error:
        text = f"this server cannot read this protobuf body; use `kubectl apply` ({error!r})"
        raise bad_request(text) from error


def _message(data: bytes, fields: _Message) -> Object:
    found: Object = {}
    for number, raw in _wire(data):
        if number not in fields and not raw:
            continue  # Go writes empty fields too
        field = fields[number]
        if field.skip:
            continue
        if field.pairs:
            pair = dict(_wire(raw))
            value = _value(pair.get(2, b""), field.kind)
            found.setdefault(field.name, {})[pair.get(1, b"").decode()] = value
        elif field.many:
            found.setdefault(field.name, []).append(_value(raw, field.kind))
        else:
            value = _value(raw, field.kind)
            if value not in ("", {}, 0) or field.kind == "port":
                found[field.name] = value
    return found


def _value(raw: Any, kind: str | _Message) -> Any:
    match kind:
        case "text":
            return raw.decode()
        case "number":
            return raw
        case "flag":
            return bool(raw)
        case "data":
            return base64.b64encode(raw).decode()
        case "port":
            parts = dict(_wire(raw))
            return parts.get(3, b"").decode() if parts.get(1) else parts.get(2, 0)
    return _message(raw, kind) if not isinstance(kind, str) else None


def _wire(data: bytes) -> Iterator[tuple[int, Any]]:
    """Field numbers with their raw values: whole numbers, or bytes."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, form = tag >> 3, tag & 7
        if form == _VARINT:
            value, at = _varint(data, at)
            yield number, value - (1 << 64) if value >> 63 else value
        elif form == _BYTES:
            size, at = _varint(data, at)
            yield number, data[at : at + size]
            at += size
        else:
            raise ValueError(f"wire type {form} is not read here")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if not byte & 0x80:
            return value, at
