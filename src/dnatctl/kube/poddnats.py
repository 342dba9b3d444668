"""PodDNAT objects in the API: asked for, written, in whichever version the cluster serves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import msgspec
import structlog

from dnatctl.decoding import decode
from dnatctl.kube import answers, discovery, paths, stored
from dnatctl.kube.client import JSON, MERGE_PATCH, USUAL_S, KubeClient
from dnatctl.kube.errors import NO_SUCH, Failure, KubeError
from dnatctl.kube.listing import read_all
from dnatctl.kube.poddnat_json import (
    MOST_FINALIZERS,
    PROTOCOLS,
    READER,
    owners_json,
    protocols_json,
    spec_json,
    spec_patch,
    status_json,
)
from dnatctl.kube.source import Event, Known, Model, Page
from dnatctl.objects import Key, Owner, PodDNAT, PodDNATSpec, PodDNATStatus

log = structlog.get_logger(__name__)

GROUP = "alibabacloud.com"
VERSIONS = ("v1", "v1beta1")
"""In order of preference."""
KIND = "PodDNAT"

WRITE_S = 12.0
"""Seconds for a write: more than a webhook has by default (10), so that the API server says itself
which one did not answer, or that it stored the object without it.
https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#timeouts
"""

SETTLED_S = 36.0
"""Seconds after which a write that nobody answered is stored or never will be: the API server gives
every request 34 at most (1.20 and 1.36 alike; a webhook may have 30 of them).
https://github.com/kubernetes/apiserver/blob/master/pkg/endpoints/handlers/rest.go
"""


class _KindJson(msgspec.Struct):
    kind: str


class _Shape(msgspec.Struct, rename={"kinds": "x-kubernetes-group-version-kind"}):
    properties: dict[str, _Shape] | None = None
    kinds: list[_KindJson] | None = None


class _Shapes(msgspec.Struct):
    schemas: dict[str, _Shape]


class _OpenAPI(msgspec.Struct):
    components: _Shapes


_DOCUMENT = msgspec.json.Decoder(_OpenAPI)

_OBJECT = msgspec.json.Decoder(Model)


def served_version(client: KubeClient) -> str:
    """The version to work with: the first of VERSIONS in which the cluster serves PodDNATs.

    Raises KubeError; NOT_FOUND where the CRD is not installed.
    """
    for version in VERSIONS:
        if _serves(client, version):
            # A definition that came since the others were asked for is served in those too.
            return next(each for each in VERSIONS if each == version or _serves(client, each))
    wanted = " nor ".join(VERSIONS)
    why = (
        f"the cluster serves poddnats.{GROUP} neither as {wanted}: their CRD is missing or another"
    )
    raise KubeError(Failure.NOT_FOUND, why)


def _serves(client: KubeClient, version: str) -> bool:
    """Whether the cluster serves PodDNATs in that version. Raises KubeError."""
    try:
        served = discovery.resources(client, f"{GROUP}/{version}")
    except KubeError as error:
        if error.failure in NO_SUCH:
            return False
        raise
    return any(resource.name == "poddnats" for resource in served)


class Served:
    """The version in which the cluster serves PodDNATs, looked up anew where it is gone.

    Other charts put back older definitions, which know v1beta1 alone, and ours comes back after
    them, while the controller runs. Thread-safe.
    """

    def __init__(self, client: KubeClient, version: str) -> None:
        self._client = client
        self.version = version

    @property
    def api_version(self) -> str:
        """What objects call it."""
        return f"{GROUP}/{self.version}"

    def look(self) -> None:
        """Look the version up; where none is served it stays. Raises KubeError."""
        found = served_version(self._client)
        if found != self.version:
            log.warning("PodDNATs are served in another version", was=self.version, now=found)
        self.version = found

    @contextmanager
    def asking(self) -> Iterator[None]:
        """For each request: one that finds nothing at its path is not one whose object is gone.

        Raises KubeError: UNSERVED where PodDNATs are not served as they were asked for.
        """
        asked = self.version
        try:
            yield
        except KubeError as error:
            if error.failure in NO_SUCH and not error.details.get("name"):
                self._judge(asked, error)
            raise

    def _judge(self, asked: str, error: KubeError) -> None:
        """Whether that was said of the version."""
        try:
            self.look()
        except KubeError as unserved:
            if unserved.failure is not Failure.NOT_FOUND:
                raise
            raise KubeError(Failure.UNSERVED, unserved.message) from error
        if self.version != asked or error.failure is Failure.UNSERVED:
            message = f"PodDNATs were asked for as {asked}, and are served as {self.version}"
            raise KubeError(Failure.UNSERVED, message) from error


class PodDNATSource:
    """All PodDNATs of the cluster, or of one namespace."""

    resource = "poddnats"
    accept = (JSON, JSON)

    def __init__(self, served: Served, namespace: str = "") -> None:
        self._served = served
        self._namespace = namespace

    @property
    def path(self) -> str:
        """See `Source.path`; another one where the version has changed."""
        served = self._served.api_version
        if self._namespace:
            return paths.in_namespace(served, self._namespace, "poddnats")
        return paths.of_cluster(served, "poddnats")

    def page(self, body: bytes, known: Known) -> Page[PodDNAT]:
        """See `Source.page`."""
        return READER.page(body, known)

    def event(self, line: bytes, known: Known) -> Event[PodDNAT]:
        """See `Source.event`."""
        return READER.event(line, known)


class PodDNATApi:
    """Reads and writes of single PodDNATs.

    Every write carries the UID and resourceVersion of the object passed in, so that it fails with
    CONFLICT where that is stale; every method returns what the server then holds, and raises
    KubeError. Give the result to `Cache.note_written`.
    """

    def __init__(self, client: KubeClient, served: Served) -> None:
        self._client = client
        self.served = served
        self.prunes_conditions = False
        """Whether the cluster's CRD is an older one, without conditions: known after a write, or
        from its schema.
        """

    def read_schema(self) -> None:
        """Look up what the cluster's CRD can store, so that no write has to find out.

        Every account may read it, unless that was forbidden: then the first write tells.
        """
        try:
            body = self._client.request(
                "GET", paths.path("openapi", "v3", "apis", GROUP, self.served.version)
            )
            self.prunes_conditions = _lacks_conditions(body)
        except (KubeError, msgspec.MsgspecError):
            return

    def get(self, key: Key) -> PodDNAT | None:
        """The object as the API server's majority has it now; None if it is gone."""
        try:
            return READER.answer(self._request("GET", key))
        except KubeError as error:
            if error.says_gone(key.name):
                return None
            raise

    def create(self, obj: PodDNAT) -> PodDNAT:
        """Create it with its finalizers, owners and spec. The status is not written by this.

        Raises KubeError: ALREADY_EXISTS; INVALID as `replace_spec`.
        """
        mixed = protocols_json(obj.spec)
        body = {
            "apiVersion": self.served.api_version,
            "kind": KIND,
            "metadata": {
                "name": obj.key.name,
                "namespace": obj.key.namespace,
                "finalizers": list(obj.finalizers),
                "ownerReferences": owners_json(obj.owners),
                **({"annotations": {PROTOCOLS: mixed}} if mixed else {}),
            },
            "spec": spec_json(obj.spec),
        }
        path = paths.in_namespace(self.served.api_version, obj.key.namespace, "poddnats")
        with _naming_leave(obj.owners), self.served.asking():
            answer = self._client.request("POST", path, body=body, timeout=WRITE_S)
        return stored.claim(READER.answer(answer), obj.spec)

    def replace_spec(self, obj: PodDNAT, spec: PodDNATSpec) -> PodDNAT:
        """Write the whole spec in place of what is there. No request if it is the same.

        Raises KubeError: INVALID where what is stored then is not the claim that was meant.
        """
        if obj.spec == spec and not obj.problem:
            return obj
        noted: dict[str, object] = {"annotations": {PROTOCOLS: protocols_json(spec)}}
        change = {"spec": spec_patch(spec), "metadata": noted}
        return stored.claim(self._patch(obj, change), spec)

    def patch_finalizers(self, obj: PodDNAT, finalizers: tuple[str, ...]) -> PodDNAT:
        """Write the list of finalizers. An object being deleted is gone once the last one is."""
        return self.patch_metadata(obj, finalizers=finalizers)

    def patch_metadata(
        self,
        obj: PodDNAT,
        *,
        finalizers: tuple[str, ...] | None = None,
        owners: tuple[Owner, ...] | None = None,
    ) -> PodDNAT:
        """Write the list of finalizers, of owners, or both. No request if they are the same.

        Of a long list of finalizers the rest, which `obj` does not hold, stays on the object; of
        owners no others stay than are given. Raises KubeError: INVALID where that is not stored.
        """
        changes: dict[str, object] = {}
        if finalizers is not None and finalizers != obj.finalizers:
            changes["finalizers"] = self._with_the_rest(obj, finalizers)
        if owners is not None and owners != obj.owners:
            changes["ownerReferences"] = owners_json(owners)
        if not changes:
            return obj
        with _naming_leave(owners or ()):
            return stored.metadata(self._patch(obj, {"metadata": changes}), finalizers, owners)

    def patch_status(self, obj: PodDNAT, status: PodDNATStatus) -> PodDNAT:
        """Write the status. No request if it is the same.

        Raises KubeError: INVALID where other entries are stored than were meant.
        """
        if self._same(obj.status, status):
            return obj
        written = self._patch(obj, {"status": status_json(status)}, subresource=("status",))
        self.prunes_conditions = bool(status.conditions) and not written.status.conditions
        return stored.status(written, status)

    def delete(self, obj: PodDNAT) -> None:
        """Delete that very object (by UID). One that is gone already is no error."""
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": obj.uid},
        }
        try:
            self._request("DELETE", obj.key, body=options, timeout=WRITE_S)
        except KubeError as error:
            # CONFLICT: the name belongs to another UID now.
            if error.failure not in (Failure.NOT_FOUND, Failure.CONFLICT):
                raise

    def _with_the_rest(self, obj: PodDNAT, finalizers: tuple[str, ...]) -> list[str]:
        """Those finalizers, and what else is on the object. Raises KubeError.

        It is asked for as it is now: if that is no longer `obj`, the write fails with CONFLICT.
        """
        if len(obj.finalizers) < MOST_FINALIZERS:
            return list(finalizers)
        held = answers.read(_OBJECT, self._request("GET", obj.key)).metadata.finalizers or ()
        rest = (name for name in held if name not in obj.finalizers)
        return [*finalizers, *dict.fromkeys(rest)]

    def _same(self, held: PodDNATStatus, wanted: PodDNATStatus) -> bool:
        if self.prunes_conditions:
            return held.entries == wanted.entries
        return held == wanted

    def _patch(
        self,
        obj: PodDNAT,
        body: dict[str, dict[str, object]],
        subresource: tuple[str, ...] = (),
    ) -> PodDNAT:
        identity = {"uid": obj.uid, "resourceVersion": obj.resource_version}
        body["metadata"] = body.get("metadata", {}) | identity
        answer = self._request("PATCH", obj.key, *subresource, body=body, timeout=WRITE_S)
        return READER.answer(answer)

    def _request(
        self,
        method: str,
        key: Key,
        *subresource: str,
        body: object = None,
        timeout: float = USUAL_S,
    ) -> bytes:
        served = self.served.api_version
        path = paths.in_namespace(served, key.namespace, "poddnats", key.name, *subresource)
        content_type = MERGE_PATCH if method == "PATCH" else JSON
        with self.served.asking():
            return self._client.request(
                method, path, body=body, content_type=content_type, timeout=timeout
            )


@contextmanager
def _naming_leave(owners: Iterable[Owner]) -> Iterator[None]:
    """Say what is missing where the admission plugin OwnerReferencesPermissionEnforcement refuses.

    Its message, "cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't
    set finalizers on", names neither the resource nor the verb. If it is another one some day, that
    is told as it is.
    https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/
    """
    try:
        yield
    except KubeError as error:
        if error.failure is Failure.FORBIDDEN and "blockOwnerDeletion" in error.message:
            kinds = ", ".join(f"{owner.kind} ({owner.api_version})" for owner in owners)
            lead = f"the controller lacks the verb update on the finalizers of {kinds}"
            error.message = f"{lead}: {error.message}"
        raise


def _lacks_conditions(body: bytes) -> bool:
    """Whether the document describes PodDNATs whose status has properties, but no conditions."""
    for shape in decode(_DOCUMENT, body).components.schemas.values():
        if KIND in {each.kind for each in shape.kinds or ()}:
            status = (shape.properties or {}).get("status")
            known = status.properties if status else None
            return known is not None and "conditions" not in known
    return False


def known_uids(client: KubeClient, served: Served) -> set[str]:
    """The UIDs of all PodDNATs, as the API server's majority has them now. Raises KubeError."""
    with served.asking():
        records, unreadable = read_all(client, PodDNATSource(served))
    if unreadable:
        names = ", ".join(unreadable)
        raise ValueError(f"PodDNATs that cannot be read may own any row: {names}")
    return {record.uid for record in records}
