"""Discovery: which groups, versions and resources the API server serves."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from dnatctl.kube import answers, paths
from dnatctl.kube.client import KubeClient


class GroupVersion(Struct, frozen=True, rename="camel"):
    """A version and what objects call their apiVersion in it."""

    version: str = ""
    group_version: str = ""


class Group(Struct, frozen=True, rename="camel"):
    """An API group and the versions in which it is served."""

    name: str = ""
    preferred_version: GroupVersion = GroupVersion()
    versions: tuple[GroupVersion, ...] = ()


class Resource(Struct):
    """A kind, by the plural that paths have. A name with a slash is a subresource's."""

    name: str
    kind: str
    namespaced: bool = True


class _Groups(Struct):
    groups: list[Group] | None = None


class _Resources(Struct):
    resources: list[Resource] | None = None


_GROUPS = msgspec.json.Decoder(_Groups)
_RESOURCES = msgspec.json.Decoder(_Resources)


def groups(client: KubeClient) -> list[Group]:
    """All but the core group. Raises KubeError."""
    return answers.read(_GROUPS, client.request("GET", paths.path("apis"))).groups or []


def resources(client: KubeClient, api_version: str) -> list[Resource]:
    """Those of one apiVersion, without subresources.

    Raises KubeError; one of NO_SUCH where it is not served.
    """
    body = client.request("GET", paths.of_version(api_version))
    listed = answers.read(_RESOURCES, body).resources or ()
    return [resource for resource in listed if "/" not in resource.name]
