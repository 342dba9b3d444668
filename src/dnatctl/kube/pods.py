"""Pods: read cheaply, cut to what is used, dropped early if they are none of our business."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from ipaddress import ip_address
from itertools import islice

import msgspec
from msgspec import Struct

from dnatctl.compact import shared
from dnatctl.kube import paths
from dnatctl.kube.addresses import Neighbours
from dnatctl.kube.client import JSON, MERGE_PATCH, STRATEGIC_PATCH, KubeClient
from dnatctl.kube.errors import KubeError
from dnatctl.kube.source import Event, Known, Metadata, Model, Page, Reader
from dnatctl.objects import ENDPOINTS, NOT_EXPOSED, POD_READY, Condition, Key, Pod
from dnatctl.plan.exposure import FIXED, MAX_TEXT, PORTS, PROTOCOL, SWITCH
from dnatctl.status.near import misses

_LONGEST = {
    SWITCH: MAX_TEXT,
    PORTS: MAX_TEXT,
    PROTOCOL: MAX_TEXT,
    FIXED: MAX_TEXT,
    ENDPOINTS: 4 * MAX_TEXT,  # our own: 100 endpoints of 33 characters
}
"""The annotations that are ours, and how much of each is read. All pods' are held in memory, and
whoever may create pods may write 256 KiB of them on each, under any name."""

_MOST_NEAR = 3
_NETWORK_TYPE = "game.kruise.io/network-type"
"""Of the pods of OpenKruiseGame whose network is a plugin's:
https://openkruise.io/kruisegame/user-manuals/network"""
"""How many of the annotations that are nearly ours are told of."""

_ECI_LABEL = "alibabacloud.com/eci"
_ECI_ID = "k8s.aliyun.com/eci-instance-id"

_FINAL = frozenset({"Succeeded", "Failed"})


class PodSource:
    """All pods of the cluster, or of one namespace; only those with annotations of ours are kept.

    A pod that is held and loses its annotations stays, with none, until it is deleted: its end
    must be seen. One that lost them while nobody looked is kept if its condition of ours still says
    something else. Of the others, `neighbours` notes which has which IP; one that states an IP for
    which `concerns` holds is kept as well, as the IP can be only one pod's.
    """

    resource = "pods"
    accept = (JSON, JSON)

    def __init__(
        self,
        namespace: str = "",
        neighbours: Neighbours | None = None,
        concerns: Callable[[str], bool] = lambda _ip: False,
    ) -> None:
        self.path = _path(namespace) if namespace else paths.path("api", "v1", "pods")
        self._neighbours = neighbours if neighbours is not None else Neighbours()
        self._concerns = concerns
        self._reader: Reader[_PodJson, Pod] = Reader(_PodJson, self._convert, self._neighbour_gone)

    def page(self, body: bytes, known: Known) -> Page[Pod]:
        """See `Source.page`."""
        return self._reader.page(body, known)

    def event(self, line: bytes, known: Known) -> Event[Pod]:
        """See `Source.event`."""
        return self._reader.event(line, known)

    def _convert(self, read: _PodJson, known: Known) -> Pod | None:
        meta = read.metadata
        ours = _ours(meta.annotations or {})
        if ours or known(meta.key, meta.uid) or _is_told_otherwise(read):
            return _pod(read, ours)
        return _pod(read, ours) if self._neighbour(read) else None

    def _neighbour(self, read: _PodJson) -> bool:
        """Note the IP of a pod that asks for nothing; whether somebody else states it too."""
        ip = _ipv4(read.status)
        if read.spec.host_network or not ip:
            return False
        if read.status.phase in _FINAL:
            self._neighbour_gone(read)
            return False
        self._neighbours.note(ip, read.metadata.key)
        return self._concerns(ip)

    def _neighbour_gone(self, read: _PodJson) -> None:
        self._neighbours.drop(_ipv4(read.status), read.metadata.key)


class PodApi:
    """Reads and writes of single pods. Every method raises KubeError."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client

    def get(self, key: Key) -> Pod | None:
        """The pod as the API server's majority has it now, annotated or not; None if it is gone."""
        try:
            return _READER.answer(self._client.request("GET", _path(key.namespace, key.name)))
        except KubeError as error:
            if error.says_gone(key.name):
                return None
            raise

    def patch_condition(self, pod: Pod, condition: Condition) -> Pod:
        """Set one condition on that very pod (by UID), leaving all others alone.

        `condition.since` is the time to record if the status changes, else the former time stays.
        Makes no request if `pod` carries the same condition already. Raises KubeError: CONFLICT
        where the name belongs to another UID now, NOT_FOUND.
        """
        held = pod.condition
        if held is not None and held.type != condition.type:
            held = None
        if held is not None and _same(held, condition):
            return pod
        since = held.since if held and held.status == condition.status else condition.since
        entry = {
            "type": condition.type,
            "status": condition.status,
            "reason": condition.reason,
            "message": condition.message,
            "lastTransitionTime": since or None,
        }
        body = {"metadata": {"uid": pod.uid}, "status": {"conditions": [entry]}}
        # Conditions are a list-map by type: a strategic merge leaves those of others alone.
        return self._patch(_path(pod.key.namespace, pod.key.name, "status"), body, STRATEGIC_PATCH)

    def remove_condition(self, pod: Pod) -> Pod:
        """Take our condition off that very pod (by UID), leaving all others alone.

        Makes no request if `pod` has none. Raises KubeError as `patch_condition` does.
        """
        if pod.condition is None:
            return pod
        gone = {"type": pod.condition.type, "$patch": "delete"}
        body = {"metadata": {"uid": pod.uid}, "status": {"conditions": [gone]}}
        return self._patch(_path(pod.key.namespace, pod.key.name, "status"), body, STRATEGIC_PATCH)

    def patch_annotation(self, pod: Pod, name: str, value: str | None) -> Pod:
        """Set an annotation on that very pod (by UID), or take it away with None.

        Makes no request if `pod` is known to have it so, which only annotations of ours are.
        """
        if name in _LONGEST and pod.annotations.get(name) == value:
            return pod
        body = {"metadata": {"uid": pod.uid, "annotations": {name: value}}}
        return self._patch(_path(pod.key.namespace, pod.key.name), body, MERGE_PATCH)

    def _patch(self, path: str, body: object, content_type: str) -> Pod:
        return _READER.answer(
            self._client.request("PATCH", path, body=body, content_type=content_type)
        )


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


class _PodJson(Model):
    spec: _PodSpec = msgspec.field(default_factory=_PodSpec)
    status: _PodStatus = msgspec.field(default_factory=_PodStatus)


def _whole(read: _PodJson, _known: Known) -> Pod:
    return _pod(read, _ours(read.metadata.annotations or {}))


def _pod(read: _PodJson, ours: dict[str, str]) -> Pod:
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


_READER: Reader[_PodJson, Pod] = Reader(_PodJson, _whole)


def _ours(annotations: dict[str, str]) -> dict[str, str]:
    """One character more than is read tells that there was more."""
    if _LONGEST.keys().isdisjoint(annotations):
        return {}
    return {
        name: shared(value[: most + 1])
        for name, most in _LONGEST.items()
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


def _ipv4(status: _PodStatus) -> str:
    if ":" not in status.pod_ip:
        return status.pod_ip
    return next((ip for ip in _ips(status) if ":" not in ip), "")


def _ended(pod: _PodJson, *, deleting: bool) -> bool:
    """Whether no container of the pod runs, and none will.

    Outside of deletion only the phase says so: a container that has terminated may be restarted.
    In deletion nothing is started any more, so that what counts is that nothing runs: each
    container has terminated, or has never run. The kubelet reports the statuses of a pod that it
    is tearing down until the last; a container without any status while the phase says Running
    may be one it has not reported yet, and counts as running.
    """
    status = pod.status
    if status.phase in _FINAL:
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


def _signs_of_life(pod: _PodJson) -> Iterator[str]:
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


def _is_told_otherwise(read: _PodJson) -> bool:
    """Whether a pod that asks for nothing is still told something else than just that."""
    condition = _condition(read.status.conditions or ())
    return condition is not None and condition.reason != NOT_EXPOSED


def _same(held: Condition, wanted: Condition) -> bool:
    return (held.status, held.reason, held.message) == (
        wanted.status,
        wanted.reason,
        wanted.message,
    )


def _path(namespace: str, *names: str) -> str:
    return paths.in_namespace("v1", namespace, "pods", *names)
