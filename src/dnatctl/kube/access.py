"""What this account may do, and what it costs where it may not: for `dnatctl check --online`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import groupby
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from dnatctl.kube import answers, definition, discovery, ledger, orders, paths
from dnatctl.kube.client import KubeClient
from dnatctl.kube.errors import NO_SUCH, Failure, KubeError
from dnatctl.kube.poddnats import GROUP

BASIC_KIND: Final = "StatefulSet"
"""The kind of stateful workload that needs no naming."""


_WHOLE: Final = ("pods", "poddnats", "nodes", "customresourcedefinitions")


class Leave(NamedTuple):
    """Something that an account may or may not do; `cost`: what goes wrong where it may not."""

    verb: str
    group: str
    resource: str
    cost: str
    name: str = ""
    namespace: str = ""
    """Empty: in all of them."""

    @property
    def ends_at_namespaces(self) -> bool:
        """Whether it may be given for some namespaces only: what is watched is so everywhere."""
        return self.resource not in _WHOLE or self.verb not in ("get", "list", "watch")

    def within(self, namespace: str) -> Leave:
        """The same in one namespace."""
        return self._replace(namespace=namespace)

    def __str__(self) -> str:
        resource = f"{self.resource}.{self.group}" if self.group else self.resource
        where = f"in {self.namespace}" if self.namespace else ""
        return " ".join(filter(None, (self.verb, resource, self.name, where)))


_HELD: Final = "a PodDNAT deleted by hand is not released before its pod has ended"
_KEPT: Final = "claims of fixed pods that are away are never given up"
_NO_PODS: Final = "no pod is seen: the controller does not start"
_NO_NODES: Final = "pods of dead nodes keep the addresses of living ones"
_NO_RECORDS: Final = "no PodDNAT is seen: the controller does not start"
_NO_CLAIMS: Final = "no pod is exposed"
_NO_EVENTS: Final = "what is wrong is told in conditions only"
_NO_LEASE: Final = "no replica comes to lead: nothing is done"
_NO_LEDGER: Final = "what it may not forget cannot be noted: entries of others are not adopted"
_NO_ORDERS: Final = "orders such as drain and pause are not heeded"
_BASIC: Final = (
    *(Leave(verb, "", "pods", _NO_PODS) for verb in ("get", "list", "watch")),
    *(Leave(verb, "", "nodes", _NO_NODES) for verb in ("list", "watch")),
    *(Leave(verb, GROUP, "poddnats", _NO_RECORDS) for verb in ("get", "list", "watch")),
    *(Leave(verb, GROUP, "poddnats", _NO_CLAIMS) for verb in ("create", "patch")),
    Leave("delete", GROUP, "poddnats", "PodDNATs of pods that have ended stay"),
    Leave("patch", GROUP, "poddnats/status", "no address is ever listed as usable"),
    *(Leave(verb, "events.k8s.io", "events", _NO_EVENTS) for verb in ("create", "patch")),
    Leave("get", "", "namespaces", _HELD),
    *(Leave("get", "apps", workloads, _HELD) for workloads in ("deployments", "replicasets")),
    Leave("get", "apiextensions.k8s.io", "customresourcedefinitions", _HELD, definition.NAME),
    Leave(
        "update",
        "",
        "pods/finalizers",
        "no pod is exposed where OwnerReferencesPermissionEnforcement is on",
    ),
)
_OWN: Final = (
    Leave("create", "coordination.k8s.io", "leases", _NO_LEASE),
    *(
        Leave(verb, "coordination.k8s.io", "leases", _NO_LEASE, "dnatctl")
        for verb in ("get", "update")
    ),
    Leave("create", "", "configmaps", _NO_LEDGER),
    *(Leave("get", "", "configmaps", _NO_LEDGER, name) for name in ledger.NAMES),
    *(Leave("patch", "", "configmaps", _NO_LEDGER, name) for name in ledger.NAMES),
    Leave("get", "", "configmaps", _NO_ORDERS, orders.NAME),
)
"""In the controller's own namespace."""

_TELLS: Final = Leave(
    "patch",
    "",
    "pods/status",
    "pods are not told how they stand, and no readiness gate opens: see manifests/pod-condition",
)
_PUBLISHES: Final = Leave(
    "patch", "", "pods", "endpoints are not written into annotations: see publish.annotation"
)


_LABELS: Final = tuple(
    Leave(
        verb,
        "",
        "namespaces",
        "the controller does not begin, as namespaces.selector asks for labels: see"
        " manifests/components/namespace-selector",
    )
    for verb in ("list", "watch")
)


def needed(
    client: KubeClient,
    kinds: Iterable[str],
    namespace: str,
    *,
    condition: bool,
    annotation: bool,
    labels: bool,
    listed: Collection[str] = (),
) -> Iterator[tuple[Leave, bool]]:
    """What is needed, and whether this account has it; `kinds` are those of stateful workloads,
    `namespace` is the controller's; `condition` whether pods are to be told how they stand,
    `annotation` whether on themselves; `labels` whether those of namespaces decide. `listed`: the
    namespaces that it is all about, if it is about some only: leave in each of them will do.

    Asked by SelfSubjectAccessReview, which every account may do. Raises KubeError.
    https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access
    """
    wished = ((_TELLS, condition), (_PUBLISHES, annotation), *((each, labels) for each in _LABELS))
    asked = [leave for leave, is_wished in wished if is_wished]
    for leave in (*_BASIC, *asked, *_of_kinds(client, {BASIC_KIND, *kinds})):
        may, inside = _may(client, leave), listed if leave.ends_at_namespaces else ()
        if may or not inside:
            yield leave, may
        else:
            yield from ((one, _may(client, one)) for one in map(leave.within, inside))
    own = ((leave, _may(client, leave)) for leave in (each.within(namespace) for each in _OWN))
    yield from _told_as_one(own)


def _told_as_one(asked: Iterable[tuple[Leave, bool]]) -> Iterator[tuple[Leave, bool]]:
    """Leave for many objects of a kind that was given, or was not, for all that stand in a row."""
    for (_, may), row in groupby(asked, key=lambda each: (each[0]._replace(name=""), each[1])):
        first, *others = (leave for leave, _ in row)
        more = f" and {len(others)} more" if others else ""
        yield first._replace(name=first.name + more), may


def unserved(client: KubeClient, kinds: Iterable[str]) -> list[str]:
    """Which of these kinds the cluster has none of. Raises KubeError."""
    known = {kind for _, kind, _ in _resources(client)}
    return [kind for kind in kinds if kind not in known]


def served(client: KubeClient, kinds: set[str]) -> Iterator[tuple[str, str, str]]:
    """The apiVersion, kind and plural of these kinds in every group that has them. Raises
    KubeError."""
    return (found for found in _resources(client) if found[1] in kinds)


def _of_kinds(client: KubeClient, kinds: set[str]) -> Iterator[Leave]:
    for version, _, plural in served(client, kinds):
        group, _, _ = version.rpartition("/")
        yield Leave("get", group, plural, _KEPT)
        yield Leave(
            "update",
            group,
            f"{plural}/finalizers",
            "no fixed pod is exposed where OwnerReferencesPermissionEnforcement is on",
        )


def _resources(client: KubeClient) -> Iterator[tuple[str, str, str]]:
    """The apiVersion, kind and plural of all that the cluster serves in groups."""
    for group in discovery.groups(client):
        version = group.preferred_version.group_version
        try:
            found = discovery.resources(client, version)
        except KubeError as error:
            if error.failure in NO_SUCH or error.failure is Failure.SERVER:
                continue  # an aggregated API that is down says nothing of workloads
            raise
        for resource in found:
            yield version, resource.kind, resource.name


def _may(client: KubeClient, leave: Leave) -> bool:
    resource, _, subresource = leave.resource.partition("/")
    asked = {
        "verb": leave.verb,
        "group": leave.group,
        "resource": resource,
        "subresource": subresource,
        "name": leave.name,
        "namespace": leave.namespace,
    }
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": asked},
    }
    answer = client.request("POST", _REVIEWS, body=body)
    return answers.read(_REVIEW, answer).status.allowed


class _ReviewStatus(Struct):
    allowed: bool = False


class _Review(Struct):
    status: _ReviewStatus


_REVIEWS: Final = paths.path("apis", "authorization.k8s.io", "v1", "selfsubjectaccessreviews")
_REVIEW = msgspec.json.Decoder(_Review)
