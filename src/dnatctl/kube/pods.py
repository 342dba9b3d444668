"""Pods: read cheaply, cut to what is used, dropped early if they are none of our business."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from dnatctl.decoding import decode
from dnatctl.kube import paths
from dnatctl.kube.addresses import Neighbours
from dnatctl.kube.client import JSON, MERGE_PATCH, STRATEGIC_PATCH, KubeClient
from dnatctl.kube.errors import KubeError
from dnatctl.kube.pod_json import (
    EVENT_GLANCE,
    FINAL,
    LONGEST,
    READER,
    PodGlance,
    PodJson,
    ipv4_of,
    is_told_otherwise,
    ours_of,
    pod_of,
)
from dnatctl.kube.source import CHANGES, Event, Known, Page, Reader
from dnatctl.objects import Condition, Key, Pod


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
        self._reader: Reader[PodJson, Pod] = Reader(PodJson, self._convert, self._neighbour_gone)

    def page(self, body: bytes, known: Known) -> Page[Pod]:
        """See `Source.page`."""
        return self._reader.page(body, known)

    def event(self, line: bytes, known: Known) -> Event[Pod]:
        """See `Source.event`."""
        return self._passed_by(line, known) or self._reader.event(line, known)

    def _passed_by(self, line: bytes, known: Known) -> Event[Pod] | None:
        """The event, where it changed a pod that is plainly none of our business, as most are.

        None: only all of it can tell.
        """
        try:
            read = decode(EVENT_GLANCE, line)
        except msgspec.DecodeError:
            return None
        pod, meta = read.object, read.object.metadata
        if read.type not in CHANGES or not pod.is_plain:
            return None
        key = meta.key
        if known(key, meta.uid) or self._neighbour(key, pod, pod.status.pod_ip):
            return None
        return Event(read.type, meta.resource_version, key, meta.uid)

    def _convert(self, read: PodJson, known: Known) -> Pod | None:
        meta = read.metadata
        ours, key = ours_of(meta.annotations or {}), meta.key
        if ours or known(key, meta.uid) or is_told_otherwise(read):
            return pod_of(read, ours)
        return pod_of(read, ours) if self._neighbour(key, read, ipv4_of(read.status)) else None

    def _neighbour(self, key: Key, read: PodJson | PodGlance, ip: str) -> bool:
        """Note the IP of a pod that asks for nothing; whether somebody else states it too."""
        if read.spec.host_network or not ip:
            return False
        if read.status.phase in FINAL:
            self._neighbours.drop(ip, key)
            return False
        self._neighbours.note(ip, key)
        return self._concerns(ip)

    def _neighbour_gone(self, read: PodJson) -> None:
        self._neighbours.drop(ipv4_of(read.status), read.metadata.key)


class PodApi:
    """Reads and writes of single pods. Every method raises KubeError."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client

    def get(self, key: Key) -> Pod | None:
        """The pod as the API server's majority has it now, annotated or not; None if it is gone."""
        try:
            return READER.answer(self._client.request("GET", _path(key.namespace, key.name)))
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
        if name in LONGEST and pod.annotations.get(name) == value:
            return pod
        body = {"metadata": {"uid": pod.uid, "annotations": {name: value}}}
        return self._patch(_path(pod.key.namespace, pod.key.name), body, MERGE_PATCH)

    def _patch(self, path: str, body: object, content_type: str) -> Pod:
        return READER.answer(
            self._client.request("PATCH", path, body=body, content_type=content_type)
        )


def _same(held: Condition, wanted: Condition) -> bool:
    return (held.status, held.reason, held.message) == (
        wanted.status,
        wanted.reason,
        wanted.message,
    )


def _path(namespace: str, *names: str) -> str:
    return paths.in_namespace("v1", namespace, "pods", *names)
