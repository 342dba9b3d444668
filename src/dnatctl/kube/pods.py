"""Pods: read cheaply, cut to what is used, dropped early if they are none of our business."""

from __future__ import annotations

from dnatctl.kube.client import JSON, KubeClient
from dnatctl.kube.reflector import Event, Known, Page
from dnatctl.objects import Condition, Key, Pod

PREFIX = "k8s.aliyun.com/pod-dnat"
"""Annotations that start like this are ours."""


class PodSource:
    """All pods of the cluster, or of one namespace; only those with annotations of ours are kept.

    A pod that is known and loses its annotations stays, with none, until it is deleted: its end
    must be seen.
    """

    resource = "pods"
    accept = JSON

    def __init__(self, namespace: str = "") -> None:
        self.path = f"/api/v1/namespaces/{namespace}/pods" if namespace else "/api/v1/pods"

    def page(self, body: bytes, known: Known) -> Page[Pod]:
        """See `Source.page`."""
        raise NotImplementedError

    def event(self, line: bytes, known: Known) -> Event[Pod]:
        """See `Source.event`."""
        raise NotImplementedError


class PodApi:
    """Reads and writes of single pods. Every method raises KubeError."""

    def __init__(self, client: KubeClient) -> None:
        raise NotImplementedError

    def get(self, key: Key) -> Pod | None:
        """The pod as the API server's majority has it now, annotated or not; None if it is gone."""
        raise NotImplementedError

    def patch_condition(self, pod: Pod, condition: Condition) -> Pod:
        """Set one condition on that very pod (by UID), leaving all others alone.

        `since` moves only where the status changes (an empty `since` means now is to be filled in
        by the caller). Makes no request if `pod` carries the same condition already. Raises
        KubeError: CONFLICT where the name belongs to another UID now, NOT_FOUND.
        """
        raise NotImplementedError

    def patch_annotation(self, pod: Pod, name: str, value: str | None) -> Pod:
        """Set an annotation on that very pod (by UID), or take it away with None.

        Makes no request if `pod` is known to have it so.
        """
        raise NotImplementedError
