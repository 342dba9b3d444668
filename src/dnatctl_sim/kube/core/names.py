"""Which names and labels objects may have."""

from __future__ import annotations

import re

from dnatctl_sim.kube.core.causes import Cause
from dnatctl_sim.kube.core.objects import Object
from dnatctl_sim.kube.core.resources import ResourceType

_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
_KEY = re.compile(r"([^/]{1,253}/)?([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")

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


def finalizer_causes(type_: ResourceType, meta: Object) -> list[Cause]:
    """What is wrong with an object's finalizers. Custom resources may have any."""
    if type_.custom:
        return []
    why = "name is neither a standard finalizer name nor is it fully qualified"
    return [
        Cause.invalid(f"metadata.finalizers[{index}]", name, why)
        for index, name in enumerate(meta.get("finalizers") or ())
        if "/" not in name and name not in _STANDARD_FINALIZERS
    ]


def name_causes(type_: ResourceType, meta: Object) -> list[Cause]:
    """What is wrong with an object's name, labels and annotation keys."""
    causes = []
    name = meta.get("name") or ""
    if not name:
        causes.append(Cause.required("metadata.name", "name or generateName is required"))
    elif not type_.loose_names and not (_SUBDOMAIN.fullmatch(name) and len(name) <= 253):
        causes.append(Cause.invalid("metadata.name", name, _SUBDOMAIN_RULE))
    for key, value in (meta.get("labels") or {}).items():
        if not _LABEL.fullmatch(value) or len(value) > 63:
            causes.append(Cause.invalid("metadata.labels", value, _LABEL_RULE))
        if not _KEY.fullmatch(key):
            causes.append(Cause.invalid("metadata.labels", key, _KEY_RULE))
    causes += [
        Cause.invalid("metadata.annotations", key, _KEY_RULE)
        for key in meta.get("annotations") or {}
        if not _KEY.fullmatch(key)
    ]
    return causes
