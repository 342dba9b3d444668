"""Paths of the API server, built here and nowhere else: names come from whoever writes objects.

The API server checks the names of objects, but not those that objects only mention (an owner's
name is any text): `../../secrets?watch=true` there must not become a path of its own.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

from dnatctl.kube.errors import Failure, KubeError

LONGEST: Final = 253
"""Bytes of a name or a group: a DNS subdomain
(https://kubernetes.io/docs/concepts/overview/working-with-objects/names/)."""

_NO_NAMES: Final = frozenset({"", ".", ".."})
_USUAL: Final = re.compile(r"[A-Za-z0-9_.~-]{1,253}")
"""What most are called: nothing of it is quoted, or too long."""
_PLAIN: Final = re.compile(r"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9_.~%:-]+)+")
_SEPARATORS: Final = frozenset("/%")
_SHOWN: Final = 40


def path(*segments: str) -> str:
    """The path of these segments, each quoted as what it is: one segment.

    Raises KubeError (NOT_FOUND) for one that nothing on an API server can be called: what the
    official clients refuse (IsValidPathSegmentName of k8s.io/apimachinery) or one too long. No
    request is needed to know that.
    """
    return "".join(f"/{_quoted(segment)}" for segment in segments)


def of_version(api_version: str) -> str:
    """The path of an apiVersion: `v1`, `apps/v1`. Raises KubeError as `path` does."""
    group, slash, version = api_version.rpartition("/")
    return path("apis", group, version) if slash else path("api", version)


def in_namespace(api_version: str, namespace: str, plural: str, *names: str) -> str:
    """The path of objects, of one object, of its subresource. Raises KubeError as `path` does."""
    return of_version(api_version) + path("namespaces", namespace, plural, *names)


def of_cluster(api_version: str, plural: str, *names: str) -> str:
    """As `in_namespace`, for what is in no namespace. Raises KubeError as `path` does."""
    return of_version(api_version) + path(plural, *names)


def is_plain(text: str) -> bool:
    """Whether this is a path as `path` builds them: nothing in it has to be resolved or quoted."""
    return _PLAIN.fullmatch(text) is not None


def _quoted(segment: str) -> str:
    if _USUAL.fullmatch(segment) and segment not in _NO_NAMES:
        return segment
    if segment in _NO_NAMES or not _SEPARATORS.isdisjoint(segment):
        raise _impossible(segment)
    try:
        if len(segment.encode()) > LONGEST:
            raise _impossible(segment)
    except UnicodeEncodeError as error:
        raise _impossible(segment) from error
    return quote(segment, safe="")


def _impossible(segment: str) -> KubeError:
    return KubeError(Failure.NOT_FOUND, f"nothing can be called {segment[:_SHOWN]!r}")
