"""PodDNAT objects: read from and written to JSON, in whichever version the cluster serves."""

from __future__ import annotations

from dnatctl.kube.client import JSON, KubeClient
from dnatctl.kube.reflector import Event, Known, Page
from dnatctl.objects import Key, PodDNAT, PodDNATSpec, PodDNATStatus

GROUP = "alibabacloud.com"
VERSIONS = ("v1", "v1beta1")
"""In order of preference."""


def served_version(client: KubeClient) -> str:
    """The version to work with: the first of VERSIONS in which the cluster serves PodDNATs.

    Raises KubeError; NOT_FOUND where the CRD is not installed.
    """
    raise NotImplementedError


class PodDNATSource:
    """All PodDNATs of the cluster, or of one namespace."""

    resource = "poddnats"
    accept = JSON

    def __init__(self, version: str, namespace: str = "") -> None:
        scope = f"/namespaces/{namespace}" if namespace else ""
        self.path = f"/apis/{GROUP}/{version}{scope}/poddnats"

    def page(self, body: bytes, known: Known) -> Page[PodDNAT]:
        """See `Source.page`."""
        raise NotImplementedError

    def event(self, line: bytes, known: Known) -> Event[PodDNAT]:
        """See `Source.event`."""
        raise NotImplementedError


class PodDNATApi:
    """Reads and writes of single PodDNATs.

    Every write carries the UID and resourceVersion of the object passed in, so that it fails with
    CONFLICT where that is stale; every method returns what the server then holds, and raises
    KubeError. Give the result to `Store.note_written`.
    """

    def __init__(self, client: KubeClient, version: str) -> None:
        raise NotImplementedError

    def get(self, key: Key) -> PodDNAT | None:
        """The object as the API server's majority has it now; None if it is gone."""
        raise NotImplementedError

    def create(self, obj: PodDNAT) -> PodDNAT:
        """Create it with its finalizers, owners and spec. The status is not written by this.

        Raises KubeError: ALREADY_EXISTS.
        """
        raise NotImplementedError

    def replace_spec(self, obj: PodDNAT, spec: PodDNATSpec) -> PodDNAT:
        """Write the whole spec in place of what is there. No request if it is the same."""
        raise NotImplementedError

    def patch_finalizers(self, obj: PodDNAT, finalizers: tuple[str, ...]) -> PodDNAT:
        """Write the list of finalizers. An object being deleted is gone once the last one is."""
        raise NotImplementedError

    def patch_status(self, obj: PodDNAT, status: PodDNATStatus) -> PodDNAT:
        """Write the status. No request if it is the same."""
        raise NotImplementedError

    def delete(self, obj: PodDNAT) -> None:
        """Delete that very object (by UID). One that is gone already is no error."""
        raise NotImplementedError
