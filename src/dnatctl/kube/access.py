"""What this account may do, and what it costs where it may not: for `dnatctl check --online`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from dnatctl.kube import answers, definition, discovery, paths
from dnatctl.kube.client import KubeClient
from dnatctl.kube.errors import Failure, KubeError

BASIC_KIND: Final = "StatefulSet"
"""The kind of stateful workload that needs no naming."""


class Leave(NamedTuple):
    """Something that an account may or may not do; `cost`: what goes wrong where it may not."""

    verb: str
    group: str
    resource: str
    cost: str
    name: str = ""

    def __str__(self) -> str:
        resource = f"{self.resource}.{self.group}" if self.group else self.resource
        return " ".join(filter(None, (self.verb, resource, self.name)))


_HELD: Final = "a PodDNAT deleted by hand is not released before its pod has ended"
_KEPT: Final = "claims of fixed pods that are away are never given up"
_BASIC: Final = (
    Leave("get", "", "namespaces", _HELD),
    Leave("get", "apiextensions.k8s.io", "customresourcedefinitions", _HELD, definition.NAME),
    Leave(
        "update",
        "",
        "pods/finalizers",
        "no pod is exposed where OwnerReferencesPermissionEnforcement is on",
    ),
)


_TELLS: Final = Leave(
    "patch",
    "",
    "pods/status",
    "pods are not told how they stand, and no readiness gate opens: see manifests/pod-condition",
)


def needed(
    client: KubeClient, kinds: Iterable[str], *, condition: bool
) -> Iterator[tuple[Leave, bool]]:
    """What is needed, and whether this account has it; `kinds` are those of stateful workloads,
    `condition` whether pods are to be told how they stand.

    Asked by SelfSubjectAccessReview, which every account may do. Raises KubeError.
    https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access
    """
    tells = (_TELLS,) if condition else ()
    for leave in (*_BASIC, *tells, *_of_kinds(client, {BASIC_KIND, *kinds})):
        yield leave, _may(client, leave)


def unserved(client: KubeClient, kinds: Iterable[str]) -> list[str]:
    """Which of these kinds the cluster has none of. Raises KubeError."""
    served = {kind for kind, _, _ in _resources(client)}
    return [kind for kind in kinds if kind not in served]


def _of_kinds(client: KubeClient, kinds: set[str]) -> Iterator[Leave]:
    for kind, group, plural in _resources(client):
        if kind in kinds:
            yield Leave("get", group, plural, _KEPT)
            yield Leave(
                "update",
                group,
                f"{plural}/finalizers",
                "no fixed pod is exposed where OwnerReferencesPermissionEnforcement is on",
            )


def _resources(client: KubeClient) -> Iterator[tuple[str, str, str]]:
    """Kind, group and plural of all that the cluster serves in groups."""
    for group in discovery.groups(client):
        try:
            served = discovery.resources(client, group.preferred_version.group_version)
        except KubeError as error:
            if error.failure in (Failure.NOT_FOUND, Failure.SERVER):
                continue  # an aggregated API that is down says nothing of workloads
            raise
        for resource in served:
            yield resource.kind, group.name, resource.name


def _may(client: KubeClient, leave: Leave) -> bool:
    resource, _, subresource = leave.resource.partition("/")
    asked = {
        "verb": leave.verb,
        "group": leave.group,
        "resource": resource,
        "subresource": subresource,
        "name": leave.name,
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
