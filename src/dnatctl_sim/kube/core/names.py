"""Which names, labels, annotations, finalizers and owners objects may have."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping

from dnatctl_sim.kube.core.causes import Cause
from dnatctl_sim.kube.core.objects import Object
from dnatctl_sim.kube.core.resources import ResourceType

_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
_KEY = re.compile(r"([^/]{1,253}/)?([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")

_ANNOTATIONS_LIMIT = 256 * 1024
_STANDARD_FINALIZERS = frozenset(
    {"kubernetes", "orphan", "foregroundDeletion", "customresourcecleanup.apiextensions.k8s.io"}
)
_SUBDOMAIN_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character"
)
_LABEL_RULE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "
    "'.', and must start and end with an alphanumeric character"
)
_KEY_RULE = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end "
    "with an alphanumeric character"
)


def metadata_causes(type_: ResourceType, meta: Object) -> Iterator[Cause]:
    """What is wrong with an object's metadata, its name apart.

    The rules are those of ValidateObjectMeta in k8s.io/apimachinery/pkg/api/validation.
    """
    for key, value in (meta.get("labels") or {}).items():
        if not _LABEL.fullmatch(value) or len(value) > 63:
            yield Cause.invalid("metadata.labels", value, _LABEL_RULE)
        if not _KEY.fullmatch(key):
            yield Cause.invalid("metadata.labels", key, _KEY_RULE)
    yield from _annotation_causes(meta.get("annotations") or {})
    yield from _finalizer_causes(type_, meta.get("finalizers") or ())
    yield from _owner_causes(meta.get("ownerReferences") or ())


def name_causes(type_: ResourceType, meta: Object) -> Iterator[Cause]:
    """What is wrong with an object's name."""
    name = meta.get("name") or ""
    if not name:
        yield Cause.required("metadata.name", "name or generateName is required")
    elif not type_.loose_names and not (_SUBDOMAIN.fullmatch(name) and len(name) <= 253):
        yield Cause.invalid("metadata.name", name, _SUBDOMAIN_RULE)


def _annotation_causes(annotations: Mapping[str, str]) -> Iterator[Cause]:
    for key in annotations:
        if not _KEY.fullmatch(key):
            yield Cause.invalid("metadata.annotations", key, _KEY_RULE)
    size = sum(len(key.encode()) + len(text.encode()) for key, text in annotations.items())
    if size > _ANNOTATIONS_LIMIT:
        why = f"Too long: must have at most {_ANNOTATIONS_LIMIT} bytes"
        yield Cause("metadata.annotations", "FieldValueTooLong", why)


def _finalizer_causes(type_: ResourceType, finalizers: Iterable[str]) -> Iterator[Cause]:
    """Any qualified name will do for a custom resource; built-in kinds want a prefix as well."""
    for index, name in enumerate(finalizers):
        if not _KEY.fullmatch(name):
            yield Cause.invalid("metadata.finalizers", name, _KEY_RULE)
        if not type_.custom and "/" not in name and name not in _STANDARD_FINALIZERS:
            why = "name is neither a standard finalizer name nor is it fully qualified"
            yield Cause.invalid(f"metadata.finalizers[{index}]", name, why)


def _owner_causes(owners: Collection[Object]) -> Iterator[Cause]:
    for owner in owners:
        for field in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(field):
                yield Cause.invalid(f"metadata.ownerReferences.{field}", "", "must not be empty")
        if (owner.get("apiVersion"), owner.get("kind")) == ("v1", "Event"):
            yield Cause.invalid("metadata.ownerReferences", "", "v1, Kind=Event cannot own objects")
    if sum(bool(owner.get("controller")) for owner in owners) > 1:
        why = "only one reference can have controller set to true"
        yield Cause.invalid("metadata.ownerReferences", "", why)
