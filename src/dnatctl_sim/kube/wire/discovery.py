"""What the server says of itself: versions, groups, resources."""

from __future__ import annotations

from dnatctl_sim.kube.core.objects import Object
from dnatctl_sim.kube.core.registry import Registry
from dnatctl_sim.kube.core.resources import ResourceType

_VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
_EXTRA_GROUPS = {"authorization.k8s.io": "v1", "authentication.k8s.io": "v1"}

VERSION: Object = {
    "major": "1",
    "minor": "32",
    "gitVersion": "v1.32.4+dnatctl",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "2025-04-22T16:03:58Z",
    "goVersion": "",
    "compiler": "",
    "platform": "linux/amd64",
}
"""What `kubectl version` shows of the server."""


def core_versions(address: str) -> Object:
    """`/api`."""
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
    }


def groups(registry: Registry) -> Object:
    """`/apis`."""
    listed = [_group(name, versions) for name, versions in _versions(registry).items()]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": listed}


def group(registry: Registry, name: str) -> Object | None:
    """`/apis/<group>`; None for a group that is not served."""
    versions = _versions(registry).get(name)
    if versions is None:
        return None
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name, versions)}


def resources(registry: Registry, group: str, version: str) -> Object | None:
    """`/api/v1` and `/apis/<group>/<version>`; None for a version that is not served."""
    types = [t for t in registry.all() if t.group == group and version in t.versions]
    listed = [entry for type_ in types for entry in _entries(type_)]
    if group in _EXTRA_GROUPS:
        listed = _review_entries(group)
    if not listed:
        return None
    api_version = f"{group}/{version}" if group else version
    kind = {"kind": "APIResourceList", "apiVersion": "v1"}
    return {**kind, "groupVersion": api_version, "resources": listed}


def _versions(registry: Registry) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for type_ in registry.all():
        if type_.group:
            versions = found.setdefault(type_.group, [])
            versions += [version for version in type_.versions if version not in versions]
    return found | {group: [version] for group, version in _EXTRA_GROUPS.items()}


def _group(name: str, versions: list[str]) -> Object:
    listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def _entries(type_: ResourceType) -> list[Object]:
    entry: Object = {
        "name": type_.plural,
        "singularName": type_.singular,
        "namespaced": type_.namespaced,
        "kind": type_.kind,
        "verbs": _VERBS,
    }
    if type_.short_names:
        entry["shortNames"] = list(type_.short_names)
    if type_.categories:
        entry["categories"] = list(type_.categories)
    return [entry, *_subresources(type_)]


def _subresources(type_: ResourceType) -> list[Object]:
    found = []
    if type_.status:
        found.append(_subresource(type_, "status", type_.kind, "", ["get", "patch", "update"]))
    if type_.scale:
        verbs = ["get", "patch", "update"]
        found.append(_subresource(type_, "scale", "Scale", "autoscaling/v1", verbs))
    for name, kind, api_version in type_.subresources:
        verbs = ["update"] if name == "finalize" else ["create"]
        found.append(_subresource(type_, name, kind, api_version, verbs))
    return found


def _subresource(
    type_: ResourceType, name: str, kind: str, api_version: str, verbs: list[str]
) -> Object:
    entry: Object = {
        "name": f"{type_.plural}/{name}",
        "singularName": "",
        "namespaced": type_.namespaced,
        "kind": kind,
        "verbs": verbs,
    }
    if api_version:
        group, _, version = api_version.partition("/")
        entry |= {"group": group, "version": version}
    return entry


def _review_entries(group: str) -> list[Object]:
    kinds = {
        "authorization.k8s.io": ("SelfSubjectAccessReview", "SelfSubjectRulesReview"),
        "authentication.k8s.io": ("SelfSubjectReview",),
    }
    return [
        {
            "name": kind.lower() + "s",
            "singularName": kind.lower(),
            "namespaced": False,
            "kind": kind,
            "verbs": ["create"],
        }
        for kind in kinds[group]
    ]
