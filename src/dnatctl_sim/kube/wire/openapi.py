"""OpenAPI, as much of it as kubectl reads.

kubectl asks whether a kind's patch operation knows `fieldValidation` (then it leaves validation
to the server), and `kubectl explain` reads the schemas of CRDs.
"""

from __future__ import annotations

from typing import Any

from dnatctl_sim.kube.core.objects import Object
from dnatctl_sim.kube.core.registry import Registry
from dnatctl_sim.kube.core.resources import ResourceType

V2 = b"\n\x032.0"
"""OpenAPI v2 without any definitions, as protobuf (field 1: the version). kubectl before 1.27 asks
for no other, and applies nothing without; of kinds that are not in it, it believes the file."""

V2_TYPE = "application/octet-stream"


def index(registry: Registry) -> Object:
    """`/openapi/v3`: where the documents are. The hash changes with what is served."""
    mark = hash(tuple(type_.key for type_ in registry.all())) & 0xFFFFFFFF
    paths = {}
    for type_ in registry.all():
        for version in type_.versions:
            path = f"apis/{type_.group}/{version}" if type_.group else f"api/{version}"
            paths[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash={mark:x}"}
    return {"paths": paths}


def document(registry: Registry, group: str, version: str) -> Object:
    """The document of one group and version."""
    types = [t for t in registry.all() if t.group == group and version in t.versions]
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "v1.32.4"},
        "paths": {path: item for type_ in types for path, item in _paths(type_, version).items()},
        "components": {"schemas": {_name(t, version): _schema(t, version) for t in types}},
    }


def _paths(type_: ResourceType, version: str) -> dict[str, Object]:
    base = f"/apis/{type_.group}/{version}" if type_.group else f"/api/{version}"
    space = "/namespaces/{namespace}" if type_.namespaced else ""
    gvk = {"group": type_.group, "version": version, "kind": type_.kind}
    parameters = [
        {"name": name, "in": "query", "schema": {"type": "string"}}
        for name in ("dryRun", "fieldManager", "fieldValidation", "force")
    ]
    operation = {
        "x-kubernetes-group-version-kind": gvk,
        "parameters": parameters,
        "responses": {"200": {"description": "OK"}},
    }
    collection = f"{base}{space}/{type_.plural}"
    return {
        collection: {"get": operation, "post": operation},
        f"{collection}/{{name}}": {"get": operation, "put": operation, "patch": operation},
    }


def _name(type_: ResourceType, version: str) -> str:
    group = ".".join(reversed(type_.group.split("."))) if type_.group else "io.k8s.api.core"
    return f"{group}.{version}.{type_.kind}"


def _schema(type_: ResourceType, version: str) -> Object:
    gvk = {"group": type_.group, "version": version, "kind": type_.kind}
    strings: Object = {name: {"type": "string"} for name in ("apiVersion", "kind")}
    schema: Object = {
        "type": "object",
        "properties": {**strings, "metadata": {"type": "object"}},
        "x-kubernetes-group-version-kind": [gvk],
    }
    own: dict[str, Any] = type_.schemas.get(version) or {}
    schema["properties"] |= own.get("properties") or {}
    if not type_.custom:
        schema["properties"] |= {"spec": {"type": "object"}, "status": {"type": "object"}}
    return {**own, **schema}
