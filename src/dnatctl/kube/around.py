"""What is being deleted around a pod, and takes its PodDNAT along."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from msgspec import Struct

from dnatctl.kube import definition, paths
from dnatctl.kube.client import KubeClient
from dnatctl.kube.errors import Failure, KubeError
from dnatctl.kube.source import METADATA, METADATA_ONLY
from dnatctl.kube.workloads import WorkloadApi
from dnatctl.objects import Owner, Pod, PodDNAT

THE_DEFINITION: Final = "the definition of PodDNATs"
"""What is going where the CustomResourceDefinition is: nothing worse can be deleted by mistake."""

HIGHEST: Final = 4
"""Owners of owners looked at: a pod's ReplicaSet, its Deployment, and what programs put above."""


MOST: Final = 8
"""Owners looked at: ours is one. Whoever may write a PodDNAT can give it as many as they like, and
each is asked for, which would keep a worker busy for minutes. What is cleaned up behind owners has
lost all of them, so that a few tell as much."""


class Around(Struct, frozen=True):
    """`going`: what is being deleted, or is gone, for people; empty if nothing is. `unseen`: the
    leave that is missing to look at the rest; empty where all could be looked at. `seen`: those
    that are not missing.
    """

    going: str = ""
    unseen: str = ""
    seen: tuple[str, ...] = ()


class Surroundings:
    """Asks the API server's majority about what a pod and its PodDNAT belong to."""

    def __init__(self, client: KubeClient, workloads: WorkloadApi) -> None:
        self._client = client
        self._workloads = workloads

    def look(self, record: PodDNAT, pod: Pod) -> Around:
        """What is going around the pod; the pod itself has been looked at.

        Raises KubeError, which says what could not be looked at.
        """
        unseen, seen = "", []
        for leave, look in self._looks(record, pod):
            try:
                going = look()
            except KubeError as error:
                if error.failure is not Failure.FORBIDDEN:
                    raise error.about(leave or "get the pod's workload") from error
                unseen = unseen or leave
                continue
            seen.append(leave)
            if going:
                return Around(going, seen=tuple(seen))
        return Around(unseen=unseen, seen=tuple(seen))

    def _looks(self, record: PodDNAT, pod: Pod) -> Iterator[tuple[str, Callable[[], str]]]:
        """What to look at, with the leave that it takes; empty where that may be missing."""
        namespace = pod.key.namespace
        path = paths.path("api", "v1", "namespaces", namespace)
        yield "get namespaces", partial(self._object, f"the namespace {namespace}", path)
        for owner in record.owners[:MOST]:
            if owner.kind != "Pod":
                leave = f"get {owner.kind} ({owner.api_version})"
                yield leave, partial(self._owner, namespace, owner)
        if pod.owner is not None and all(pod.owner.uid != owner.uid for owner in record.owners):
            # Not what the garbage collector goes by: it is as well not to know.
            yield "", partial(self._owner, namespace, pod.owner)
        yield (
            f"get {_CRDS} {definition.NAME}",
            partial(self._object, THE_DEFINITION, definition.PATH),
        )

    def _object(self, what: str, path: str) -> str:
        try:
            held = METADATA.answer(self._client.request("GET", path, accept=METADATA_ONLY))
        except KubeError as error:
            if error.failure is Failure.NOT_FOUND:
                return what
            raise
        return what if held.deleting else ""

    def _owner(self, namespace: str, owner: Owner) -> str:
        """The lowest of an owner and its owners that is going."""
        above: Owner | None = owner
        for height in range(HIGHEST):
            if above is None:
                break
            try:
                held = self._workloads.metadata(namespace, above)
            except KubeError as error:
                if error.failure is Failure.FORBIDDEN and height:
                    break  # what is above says no more than what is below, and later
                raise
            if held is None or held.deleting:
                return f"{above.kind} {above.name}"
            above = held.owner
        return ""


_CRDS: Final = "customresourcedefinitions.apiextensions.k8s.io"
