"""A pod as its author wrote it, and the workloads above it: for explanations, not for decisions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from dnatctl.kube import answers, discovery, paths
from dnatctl.kube.client import KubeClient
from dnatctl.kube.errors import NO_SUCH, Failure, KubeError
from dnatctl.kube.pods import PodApi
from dnatctl.kube.source import Metadata
from dnatctl.objects import Key, Owner, Pod
from dnatctl.status.near import OwnerNotes

HIGHEST = 3
"""Owners above a pod that are looked at: ReplicaSet, Deployment, and one of some operator."""


@dataclass(frozen=True, slots=True)
class AroundPod:
    """The pod as dnatctl reads it, all its annotations and labels, and its owners, next first."""

    pod: Pod | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    owners: tuple[OwnerNotes, ...] = ()


class _Template(msgspec.Struct):
    metadata: Metadata = msgspec.field(default_factory=Metadata)


class _OwnerSpec(msgspec.Struct):
    template: Any = None


class _OwnerJson(msgspec.Struct):
    kind: str = ""
    metadata: Metadata = msgspec.field(default_factory=Metadata)
    spec: _OwnerSpec | None = None


_OBJECT = msgspec.json.Decoder(_OwnerJson)


def look(client: KubeClient, key: Key) -> AroundPod:
    """What there is of it; nothing where there is no such pod. Raises KubeError."""
    pod = PodApi(client).get(key)
    if pod is None:
        return AroundPod()
    body = client.request("GET", paths.in_namespace("v1", key.namespace, "pods", key.name))
    meta = answers.read(_OBJECT, body).metadata
    owners = tuple(_owners(client, key.namespace, pod.owner))
    return AroundPod(pod, meta.annotations or {}, meta.labels or {}, owners)


def _owners(client: KubeClient, namespace: str, owner: Owner | None) -> Iterator[OwnerNotes]:
    for _ in range(HIGHEST):
        if owner is None or (read := _read(client, namespace, owner)) is None:
            return
        yield _notes(owner, read)
        owner = read.metadata.controller


def notes_of(client: KubeClient, namespace: str, owner: Owner) -> OwnerNotes | None:
    """What stands on a workload; None where it is gone, or may not be read. Raises KubeError."""
    read = _read(client, namespace, owner)
    return _notes(owner, read) if read else None


def _notes(owner: Owner, read: _OwnerJson) -> OwnerNotes:
    template = _template_annotations(read)
    return OwnerNotes(owner.kind, owner.name, read.metadata.annotations or {}, template)


def _template_annotations(read: _OwnerJson) -> Mapping[str, str] | None:
    template = read.spec.template if read.spec else None
    try:
        return msgspec.convert(template, _Template).metadata.annotations or {}
    except msgspec.ValidationError:
        return None


def _read(client: KubeClient, namespace: str, owner: Owner) -> _OwnerJson | None:
    """The owner; None where it is gone, or may not be read."""
    try:
        served = discovery.resources(client, owner.api_version)
        plural = next((each.name for each in served if each.kind == owner.kind), "")
        if not plural:
            return None
        path = paths.in_namespace(owner.api_version, namespace, plural, owner.name)
        return answers.read(_OBJECT, client.request("GET", path))
    except KubeError as error:
        if error.failure in NO_SUCH or error.failure is Failure.FORBIDDEN:
            return None
        raise
