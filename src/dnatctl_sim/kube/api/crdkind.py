"""How CustomResourceDefinitions are written, and the resource type that one defines."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from dnatctl_sim.kube.api.strategy import Strategy
from dnatctl_sim.kube.core.causes import Cause
from dnatctl_sim.kube.core.objects import Object, dig, set_condition, timestamp
from dnatctl_sim.kube.core.resources import Column, ResourceType, Scale

CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
"""The finalizer that holds a deleted CRD until its objects are gone."""


class CRDStrategy(Strategy):
    """CRDs: established at once; a deleted one waits for its objects to be gone."""

    def default(self, obj: Object) -> None:
        """See `Strategy.default`."""
        spec = obj.setdefault("spec", {})
        names = spec.setdefault("names", {})
        if isinstance(names.get("kind"), str):
            names.setdefault("singular", names["kind"].lower())
            names.setdefault("listKind", names["kind"] + "List")
        spec.setdefault("conversion", {"strategy": "None"})

    def created(self, obj: Object, now: datetime) -> None:
        """See `Strategy.created`."""
        at = timestamp(now)
        obj["status"] = {}
        text = "no conflicts found"
        set_condition(obj, "NamesAccepted", "True", at, reason="NoConflicts", message=text)
        text = "the initial names have been accepted"
        set_condition(obj, "Established", "True", at, reason="InitialNamesAccepted", message=text)
        obj["status"]["acceptedNames"] = obj["spec"]["names"]
        obj["status"]["storedVersions"] = [v["name"] for v in _versions(obj) if v.get("storage")]

    def deleting(self, obj: Object) -> None:
        """See `Strategy.deleting`."""
        finalizers = obj["metadata"].setdefault("finalizers", [])
        if CLEANUP not in finalizers and "deletionTimestamp" not in obj["metadata"]:
            finalizers.append(CLEANUP)

    def validate(self, obj: Object, old: Object | None) -> Iterator[Cause]:
        """See `Strategy.validate`."""
        spec = obj["spec"]
        for path in (("group",), ("scope",), ("names", "plural"), ("names", "kind")):
            if not dig(spec, *path):
                yield Cause.required("spec." + ".".join(path))
        name = obj["metadata"]["name"]
        if name != f"{dig(spec, 'names', 'plural')}.{spec.get('group')}":
            why = 'must be spec.names.plural+"."+spec.group'
            yield Cause.invalid("metadata.name", name, why)
        if sum(bool(version.get("storage")) for version in _versions(obj)) != 1:
            why = "must have exactly one version marked as storage version"
            yield Cause.invalid("spec.versions", str([v.get("name") for v in _versions(obj)]), why)
        for index, version in enumerate(_versions(obj)):
            if not dig(version, "schema", "openAPIV3Schema"):
                yield Cause.required(f"spec.versions[{index}].schema.openAPIV3Schema")
        for field in ("group", "scope"):
            if old is not None and old["spec"].get(field) != spec.get(field):
                yield Cause.invalid(f"spec.{field}", spec.get(field), "field is immutable")


def resource_type(crd: Object) -> ResourceType:
    """The type that `crd` defines. All its versions are stored as the one marked so."""
    spec = crd["spec"]
    names = spec["names"]
    served = sorted((v for v in _versions(crd) if v.get("served")), key=_precedence)
    storage = next(v for v in _versions(crd) if v.get("storage"))
    return ResourceType(
        group=spec["group"],
        version=storage["name"],
        plural=names["plural"],
        kind=names["kind"],
        singular=names["singular"],
        namespaced=spec["scope"] == "Namespaced",
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        served=tuple(version["name"] for version in served),
        status=dig(storage, "subresources", "status") is not None,
        scale=_scale(dig(storage, "subresources", "scale")),
        generation=True,
        fields=tuple(_selectable(storage)),
        custom=True,
        schemas={v["name"]: v["schema"]["openAPIV3Schema"] for v in _versions(crd)},
        columns={v["name"]: _columns(v) for v in served},
    )


def _versions(crd: Object) -> list[Object]:
    return [v for v in dig(crd, "spec", "versions") or () if isinstance(v, dict)]


def _precedence(version: Object) -> tuple[Any, ...]:
    """Newest first: GA before beta before alpha, higher numbers before lower."""
    name = str(version["name"]).removeprefix("v")
    for rank, stage in enumerate(("", "beta", "alpha")):
        major, _, minor = name.partition(stage) if stage else (name, "", "0")
        if major.isdigit() and minor.isdigit():
            return (rank, -int(major), -int(minor))
    return (9, name)


def _scale(scale: Object | None) -> Scale | None:
    if scale is None:
        return None
    return Scale(
        scale["specReplicasPath"], scale["statusReplicasPath"], scale.get("labelSelectorPath", "")
    )


def _selectable(version: Object) -> Iterator[tuple[str, ...]]:
    for field in version.get("selectableFields") or ():
        yield tuple(field["jsonPath"].strip(".").split("."))


def _columns(version: Object) -> tuple[Column, ...]:
    return tuple(
        Column(
            name=column["name"],
            type=column["type"],
            path=column["jsonPath"],
            priority=column.get("priority", 0),
            format=column.get("format", ""),
            description=column.get("description", ""),
        )
        for column in version.get("additionalPrinterColumns") or ()
    )
