"""What dnatctl leaves in a cluster beside its manifests: found, and taken away."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec
from msgspec import Struct

from dnatctl.kube import answers, definition, ledger, orders, paths
from dnatctl.kube.client import LARGEST_PAGE, MERGE_PATCH, STRATEGIC_PATCH, KubeClient
from dnatctl.kube.errors import Failure, KubeError
from dnatctl.kube.poddnats import PodDNATApi, PodDNATSource, Served
from dnatctl.kube.source import ListMetadata, Metadata, Model
from dnatctl.objects import ENDPOINTS, FINALIZER, POD_READY, Key, PodDNAT, PodDNATStatus

SELECTOR: Final = "app.kubernetes.io/name=dnatctl"
"""What the manifests label."""

_PAGE: Final = 500


class _LeftoverCondition(Struct):
    type: str = ""


class _LeftoverStatus(Struct):
    phase: str = ""
    conditions: list[_LeftoverCondition] | None = None


class _LeftoverSpec(Struct):
    replicas: int | None = None


class _Object(Model):
    spec: _LeftoverSpec | None = None
    status: _LeftoverStatus | None = None


class _LeftoverList(Struct):
    metadata: ListMetadata
    items: list[msgspec.Raw] | None = None


_LIST = msgspec.json.Decoder(_LeftoverList)
_OBJECT = msgspec.json.Decoder(_Object)


class MarkedPod(Struct, frozen=True):
    """A pod with something of ours on it."""

    key: Key
    uid: str
    condition: bool
    annotation: bool


class Leftovers:
    """Reads and writes with the account of whoever takes dnatctl away. Methods raise KubeError.

    `namespace` is the controller's. `served` is None where the cluster has no PodDNATs.
    """

    def __init__(self, client: KubeClient, namespace: str, served: Served | None) -> None:
        self._client = client
        self._namespace = namespace
        self._served = served
        self._api = PodDNATApi(client, served) if served else None

    def scaled_up(self) -> list[str]:
        """The controller's Deployments that want a pod."""
        path = paths.in_namespace("apps/v1", self._namespace, "deployments")
        found = [
            each
            for each in self._list(path, labelSelector=SELECTOR)
            if each.metadata.deletion_timestamp is None
        ]
        return [each.metadata.name for each in found if not each.spec or each.spec.replicas != 0]

    def is_there(self) -> bool:
        """Whether the controller's namespace is, and is to stay."""
        try:
            body = self._client.request(
                "GET", paths.path("api", "v1", "namespaces", self._namespace)
            )
        except KubeError as error:
            if error.failure is Failure.NOT_FOUND:
                return False
            raise
        return answers.read(_OBJECT, body).metadata.deletion_timestamp is None

    def records(self) -> list[PodDNAT]:
        """All PodDNATs. Raises ValueError where one cannot be read."""
        if self._served is None:
            return []
        source, found, token = PodDNATSource(self._served), list[PodDNAT](), ""
        while True:
            query = {"limit": _PAGE} | ({"continue": token} if token else {})
            body = self._client.request("GET", source.path, query=query, most=LARGEST_PAGE)
            page = source.page(body, lambda _key, _uid: True)
            if page.unreadable:
                raise ValueError(f"not understood: PodDNATs {', '.join(map(str, page.unreadable))}")
            found += page.items
            if not page.next:
                return found
            token = page.next

    def again(self, record: PodDNAT) -> PodDNAT | None:
        """That very PodDNAT as it is now; None if it is gone."""
        held = self._api.get(record.key) if self._api else None
        return held if held is not None and held.uid == record.uid else None

    def withdraw(self, record: PodDNAT) -> None:
        """List no entry any more, as they are about to go."""
        if self._api is not None and record.status.entries:
            self._api.patch_status(record, PodDNATStatus())

    def free(self, record: PodDNAT) -> str:
        """Delete a PodDNAT and take our finalizer off; what holds it still, "" if it is gone."""
        if self._api is None:
            return ""
        if not record.deleting:
            self._api.delete(record)
        if (held := self.again(record)) is None:
            return ""
        others = tuple(each for each in held.finalizers if each != FINALIZER)
        if FINALIZER in held.finalizers:
            self._api.patch_finalizers(held, others)
        return f"finalizers of others: {', '.join(others)}" if others else ""

    def pods(self) -> list[MarkedPod]:
        """Pods that carry our condition or annotation."""
        return [pod for pod in map(_marked, self._list(paths.path("api", "v1", "pods"))) if pod]

    def unmark(self, pod: MarkedPod) -> None:
        """Take both off that very pod; one that is gone has neither."""
        of_pod: dict[str, object] = {"uid": pod.uid}
        gone = {"type": POD_READY, "$patch": "delete"}
        try:
            if pod.condition:
                body = {"metadata": of_pod, "status": {"conditions": [gone]}}
                self._patch(_pod_path(pod.key, "status"), body, STRATEGIC_PATCH)
            if pod.annotation:
                body = {"metadata": of_pod | {"annotations": {ENDPOINTS: None}}}
                self._patch(_pod_path(pod.key), body, MERGE_PATCH)
        except KubeError as error:
            if error.failure not in (Failure.NOT_FOUND, Failure.CONFLICT):
                raise

    def ledger(self) -> list[str]:
        """The ConfigMaps of the ledger, and the one with what people have ordered."""
        names = [m.metadata.name for m in self._list(self._own("v1", "configmaps"))]
        return [name for name in names if name in ledger.NAMES or name == orders.NAME]

    def strike(self, name: str) -> None:
        """Delete a ConfigMap of the ledger."""
        self._delete(self._own("v1", "configmaps", name))

    def strike_lease(self, namespace: str, name: str) -> None:
        """Delete a Lease."""
        self._delete(paths.in_namespace("coordination.k8s.io/v1", namespace, "leases", name))

    def strike_definition(self) -> None:
        """Delete the definition of PodDNATs, and with it all that there are."""
        self._delete(definition.PATH)

    def _own(self, version: str, plural: str, *names: str) -> str:
        return paths.in_namespace(version, self._namespace, plural, *names)

    def _patch(self, path: str, body: object, content_type: str) -> None:
        self._client.request("PATCH", path, body=body, content_type=content_type)

    def _delete(self, path: str) -> None:
        try:
            self._client.request("DELETE", path)
        except KubeError as error:
            if error.failure is not Failure.NOT_FOUND:
                raise

    def _list(self, path: str, **more: str) -> Iterator[_Object]:
        query: dict[str, str | int] = {"limit": _PAGE, **more}
        while True:
            body = self._client.request("GET", path, query=query, most=LARGEST_PAGE)
            page = answers.read(_LIST, body)
            # Each by itself: all at once may take eight times the page.
            yield from (answers.read(_OBJECT, item) for item in page.items or ())
            if not page.metadata.continue_:
                return
            query["continue"] = page.metadata.continue_


def _marked(pod: _Object) -> MarkedPod | None:
    meta: Metadata = pod.metadata
    conditions = (pod.status.conditions if pod.status else None) or ()
    condition = any(each.type == POD_READY for each in conditions)
    annotation = ENDPOINTS in (meta.annotations or {})
    if not (condition or annotation):
        return None
    return MarkedPod(meta.key, meta.uid, condition, annotation)


def _pod_path(key: Key, *subresource: str) -> str:
    return paths.in_namespace("v1", key.namespace, "pods", key.name, *subresource)
