"""Pods from JSON: as far as they are used, or only as far as it takes to pass them by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from itertools import islice
from typing import Annotated

import msgspec
from msgspec import Struct

from dnatctl.compact import shared
from dnatctl.kube.source import Known, Metadata, Model, Reader
from dnatctl.objects import ENDPOINTS, NOT_EXPOSED, POD_READY, Condition, Key, Pod
from dnatctl.plan.exposure import FIXED, MAX_TEXT, PORTS, PROTOCOL, SWITCH
from dnatctl.status.near import misses

LONGEST = {
    SWITCH: MAX_TEXT,
    PORTS: MAX_TEXT,
    PROTOCOL: MAX_TEXT,
    FIXED: MAX_TEXT,
    ENDPOINTS: 4 * MAX_TEXT,  # our own: 100 endpoints of 33 characters
}
"""The annotations that are ours, and how much of each is read. All pods' are held in memory, and
whoever may create pods may write 256 KiB of them on each, under any name."""

FINAL = frozenset({"Succeeded", "Failed"})
"""The phases that a pod does not leave."""

_MOST_NEAR = 3
"""How many of the annotations that are nearly ours are told of."""

_NETWORK_TYPE = "game.kruise.io/network-type"
"""Of the pods of OpenKruiseGame whose network is a plugin's:
https://openkruise.io/kruisegame/user-manuals/network"""

_ECI_LABEL = "alibabacloud.com/eci"
_ECI_ID = "k8s.aliyun.com/eci-instance-id"


class _GlanceMetadata(Struct, rename="camel", gc=False):
    """What lacks one of these is no pod to pass by."""

    name: Annotated[str, msgspec.Meta(min_length=1)]
    namespace: str
    uid: Annotated[str, msgspec.Meta(min_length=1)]
    resource_version: str
    annotations: dict[str, str] | None = None

    @property
    def key(self) -> Key:
        """Namespace and name."""
        return Key(self.namespace, self.name)


class _GlanceSpec(Struct, rename="camel", gc=False):
    host_network: bool = False


class _GlanceCondition(Struct, gc=False):
    type: str = ""


class _GlanceStatus(Struct, gc=False):
    phase: str = ""
    pod_ip: str = msgspec.field(name="podIP", default="")
    conditions: list[_GlanceCondition] | None = None


class PodGlance(Struct, gc=False):
    """What has to be read of a pod to pass it by, as it is none of our business."""

    metadata: _GlanceMetadata
    spec: _GlanceSpec = msgspec.field(default_factory=_GlanceSpec)
    status: _GlanceStatus = msgspec.field(default_factory=_GlanceStatus)

    @property
    def is_plain(self) -> bool:
        """Whether it asks for nothing, was told nothing, and states one address as most do."""
        if not LONGEST.keys().isdisjoint(self.metadata.annotations or ()):
            return False
        for condition in self.status.conditions or ():
            if condition.type == POD_READY:
                return False
        return ":" not in self.status.pod_ip


class _EventGlance(Struct, gc=False):
    type: str
    object: PodGlance


EVENT_GLANCE = msgspec.json.Decoder(_EventGlance)
"""Reads a line of a watch in half the time that all of it takes."""


class _Present(Struct):
    """Anything at all."""


class _Running(Struct, rename="camel"):
    started_at: str | None = None


class _ContainerState(Struct):
    running: _Running | None = None
    terminated: _Present | None = None


class _ContainerStatus(Struct, rename="camel"):
    name: str = ""
    state: _ContainerState | None = None
    last_state: _ContainerState | None = None
    restart_count: int = 0


class _Container(Struct):
    name: str = ""


class _ReadinessGate(Struct, rename="camel"):
    condition_type: str = ""


class _PodSpec(Struct, rename="camel"):
    node_name: str = ""
    host_network: bool = False
    containers: list[_Container] | None = None
    readiness_gates: list[_ReadinessGate] | None = None


class _PodIP(Struct):
    ip: str = ""


class _PodCondition(Struct, rename="camel"):
    type: str = ""
    status: str = ""
    reason: str | None = None
    message: str | None = None
    last_transition_time: str | None = None
    observed_generation: int | None = None


class _PodStatus(Struct, rename="camel"):
    phase: str = ""
    pod_ip: str = msgspec.field(name="podIP", default="")
    pod_ips: list[_PodIP] | None = msgspec.field(name="podIPs", default=None)
    start_time: str | None = None
    conditions: list[_PodCondition] | None = None
    container_statuses: list[_ContainerStatus] | None = None
    init_container_statuses: list[_ContainerStatus] | None = None
    ephemeral_container_statuses: list[_ContainerStatus] | None = None


class PodJson(Model):
    """The fields in use of a pod."""

    spec: _PodSpec = msgspec.field(default_factory=_PodSpec)
    status: _PodStatus = msgspec.field(default_factory=_PodStatus)


def _whole(read: PodJson, _known: Known) -> Pod:
    return pod_of(read, ours_of(read.metadata.annotations or {}))


def pod_of(read: PodJson, ours: dict[str, str]) -> Pod:
    """The pod, with those of its annotations that are `ours`."""
    meta, spec, status = read.metadata, read.spec, read.status
    deleting = meta.deletion_timestamp is not None
    return Pod(
        key=meta.key,
        uid=meta.uid,
        resource_version=meta.resource_version,
        annotations=ours,
        ips=_ips(status),
        phase=shared(status.phase),
        deleting=deleting,
        ended=_ended(read, deleting=deleting),
        host_network=spec.host_network,
        virtual=_virtual(meta, spec.node_name),
        near=_near(meta) if ours else (),
        counted=_NETWORK_TYPE in (meta.annotations or {}),
        gated=any(gate.condition_type == POD_READY for gate in spec.readiness_gates or ()),
        node=shared(spec.node_name),
        owner=meta.controller,
        condition=_condition(status.conditions or ()),
        alive=max(_signs_of_life(read)),
    )


READER: Reader[PodJson, Pod] = Reader(PodJson, _whole)
"""Reads any pod, whether it asks for something or not."""


def ours_of(annotations: dict[str, str]) -> dict[str, str]:
    """Those that are ours, cut off a character after the longest: that tells there was more."""
    if LONGEST.keys().isdisjoint(annotations):
        return {}
    return {
        name: shared(value[: most + 1])
        for name, most in LONGEST.items()
        if (value := annotations.get(name)) is not None
    }


def _ips(status: _PodStatus) -> tuple[str, ...]:
    listed = tuple(entry.ip for entry in status.pod_ips or () if _is_address(entry.ip))
    return listed or ((status.pod_ip,) if _is_address(status.pod_ip) else ())


def _is_address(text: str) -> bool:
    """Whether it is one: newer servers see to that, older ones take `010.0.0.1` as well."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def ipv4_of(status: _PodStatus) -> str:
    """The pod's IPv4 address, or what stands in place of it; "" if it has none."""
    if ":" not in status.pod_ip:
        return status.pod_ip
    return next((ip for ip in _ips(status) if ":" not in ip), "")


def _ended(pod: PodJson, *, deleting: bool) -> bool:
    """Whether no container of the pod runs, and none will.

    Outside of deletion only the phase says so: a container that has terminated may be restarted.
    In deletion nothing is started any more, so that what counts is that nothing runs: each
    container has terminated, or has never run. The kubelet reports the statuses of a pod that it
    is tearing down until the last; a container without any status while the phase says Running
    may be one it has not reported yet, and counts as running.
    """
    status = pod.status
    if status.phase in FINAL:
        return True
    if not deleting:
        return False
    seen = list(_statuses(status))
    if not any(map(_has_run, seen)):
        return status.phase != "Running"
    reported = {entry.name for entry in status.container_statuses or ()}
    expected = {entry.name for entry in pod.spec.containers or ()}
    if status.phase == "Running" and not expected <= reported:
        return False
    return not any(map(_runs, seen))


def _statuses(status: _PodStatus) -> Iterator[_ContainerStatus]:
    yield from status.init_container_statuses or ()
    yield from status.container_statuses or ()
    yield from status.ephemeral_container_statuses or ()


def _signs_of_life(pod: PodJson) -> Iterator[str]:
    """Times as Kubernetes writes them, which sort as text."""
    yield pod.metadata.creation_timestamp or ""
    yield pod.status.start_time or ""
    for entry in _statuses(pod.status):
        if entry.state is not None and entry.state.running is not None:
            yield entry.state.running.started_at or ""


def _runs(status: _ContainerStatus) -> bool:
    return status.state is not None and status.state.running is not None


def _has_run(status: _ContainerStatus) -> bool:
    last, now = status.last_state, status.state
    return (
        status.restart_count > 0
        or _runs(status)
        or (now is not None and now.terminated is not None)
        or (last is not None and last.terminated is not None)
    )


def _near(meta: Metadata) -> tuple[str, ...]:
    """What somebody may have meant for us and wrote otherwise, beside what is ours."""
    found = misses(meta.annotations or {}, meta.labels or {}, ())
    return tuple(text[:MAX_TEXT] for text in islice(found, _MOST_NEAR))


def _virtual(meta: Metadata, node: str) -> str:
    """The sign that the pod runs on ECI or a virtual node, in words; empty if there is none."""
    # https://www.alibabacloud.com/help/en/ack/serverless-kubernetes/user-guide/eci-pod-annotations
    if node.startswith("virtual-kubelet"):
        return f"its node {node}"
    if (meta.labels or {}).get(_ECI_LABEL) == "true":
        return f"its label {_ECI_LABEL}=true"
    return f"its annotation {_ECI_ID}" if _ECI_ID in (meta.annotations or {}) else ""


def _condition(conditions: Iterable[_PodCondition]) -> Condition | None:
    for entry in conditions:
        if entry.type == POD_READY:
            return Condition(
                type=POD_READY,
                status=shared(entry.status),
                reason=shared(entry.reason or ""),
                message=shared(entry.message or ""),
                since=entry.last_transition_time or "",
                observed_generation=entry.observed_generation or 0,
            )
    return None


def is_told_otherwise(read: PodJson) -> bool:
    """Whether a pod that asks for nothing is still told something else than just that."""
    condition = _condition(read.status.conditions or ())
    return condition is not None and condition.reason != NOT_EXPOSED
