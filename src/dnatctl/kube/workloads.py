"""Stateful workloads that own pods: are they there, and which pod names do they keep?"""

from __future__ import annotations

from msgspec import Struct

from dnatctl.kube.client import KubeClient
from dnatctl.objects import Owner


class Workload(Struct, frozen=True):
    """A StatefulSet, or an object of a kind that works like one.

    `replicas` is None where the kind has none. `start` is the first ordinal; `reserved` are
    ordinals left out (spec.reserveOrdinals of OpenKruise's StatefulSet).
    """

    name: str
    deleting: bool = False
    replicas: int | None = None
    start: int = 0
    reserved: frozenset[int] = frozenset()

    def keeps(self, pod: str) -> bool:
        """Whether a pod of that name is among its replicas.

        True as well where that cannot be told (no replicas, or a name without an ordinal).
        """
        raise NotImplementedError


class WorkloadApi:
    """Reads of workloads of any kind; the plural of a kind is asked for once."""

    def __init__(self, client: KubeClient) -> None:
        raise NotImplementedError

    def get(self, namespace: str, owner: Owner) -> Workload | None:
        """The workload as the API server's majority has it now.

        None if it is gone, its name belongs to another UID now, or its kind is not served any
        more. Raises KubeError.
        """
        raise NotImplementedError
