"""Reads of single objects past every cache, for decisions that must not rest on an old view."""

from __future__ import annotations

from dnatctl.kube.client import LARGEST_PAGE, KubeClient
from dnatctl.kube.errors import Failure, KubeError
from dnatctl.kube.poddnats import PodDNATSource
from dnatctl.kube.pods import PodApi
from dnatctl.kube.workloads import WorkloadApi
from dnatctl.objects import Key, Owner, Pod
from dnatctl.plan.values import Workload


class KubeLookups:
    """Asks the API server."""

    def __init__(self, pods: PodApi, workloads: WorkloadApi) -> None:
        self._pods = pods
        self._workloads = workloads

    def pod(self, key: Key) -> Pod | None:
        """The pod as it is now. Raises KubeError."""
        return self._pods.get(key)

    def keeps(self, key: Key, owner: Owner) -> Workload:
        """What the workload says of the pod's name. Raises KubeError.

        Where its kind may not be read, nothing is known, and the claim stays.
        """
        try:
            workload = self._workloads.get(key.namespace, owner)
        except KubeError as error:
            if error.failure is Failure.FORBIDDEN:
                return Workload.UNKNOWN
            raise
        if workload is None or workload.deleting:
            return Workload.GONE
        return Workload.WANTS if workload.keeps(key.name) else Workload.SHED


def known_uids(client: KubeClient, version: str) -> set[str]:
    """The UIDs of all PodDNATs, as the API server's majority has them now. Raises KubeError."""
    source = PodDNATSource(version)
    uids: set[str] = set()
    query: dict[str, str | int] = {"limit": 500}
    while True:
        body = client.request("GET", source.path, query=query, timeout=60.0, most=LARGEST_PAGE)
        page = source.page(body, lambda _key, _uid: True)
        uids.update(item.uid for item in page.items)
        if page.unreadable:
            names = ", ".join(map(str, page.unreadable))
            raise ValueError(f"PodDNATs that cannot be read may own any row: {names}")
        if not page.next:
            return uids
        query["continue"] = page.next
