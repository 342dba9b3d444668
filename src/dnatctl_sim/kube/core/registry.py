"""Which resource types the server has: the built-in ones and those that CRDs add and remove."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from dnatctl_sim.kube.core.builtin import BUILTIN
from dnatctl_sim.kube.core.errors import ApiError, no_such_path, no_such_resource
from dnatctl_sim.kube.core.resources import ResourceType


class Registry:
    """Resource types by where they are served. Safe to use from any thread."""

    def __init__(self, types: Iterable[ResourceType] = BUILTIN) -> None:
        self._lock = threading.Lock()
        self._types: dict[str, ResourceType] = {type_.key: type_ for type_ in types}
        self._served = _by_path(self._types.values())
        self._built_in = {type_.group for type_ in self._types.values() if not type_.custom}

    def add(self, type_: ResourceType) -> None:
        """Serve `type_`, in place of what was served under its key."""
        with self._lock:
            self._types = {**self._types, type_.key: type_}
            self._served = _by_path(self._types.values())

    def discard(self, key: str) -> None:
        """Serve the type with that key no longer."""
        with self._lock:
            self._types = {k: t for k, t in self._types.items() if k != key}
            self._served = _by_path(self._types.values())

    def all(self) -> tuple[ResourceType, ...]:
        """Every type, built-in ones first."""
        return tuple(self._types.values())

    def by_key(self, key: str) -> ResourceType:
        """The type called `pods` or `poddnats.alibabacloud.com`. Raises KeyError."""
        return self._types[key]

    def find(self, group: str, version: str, plural: str) -> ResourceType:
        """The type served at that path. Raises ApiError 404."""
        found = self._served.get((group, version, plural))
        if found is None:
            raise self.not_served(group)
        return found

    def not_served(self, group: str) -> ApiError:
        """What is answered to a question for what that group does not have."""
        return no_such_resource() if group in self._built_in else no_such_path()

    def of_kind(self, api_version: str, kind: str) -> ResourceType | None:
        """The type whose objects say they are of `api_version` and `kind`."""
        for type_ in self._types.values():
            if type_.kind == kind and any(
                type_.api_version(v) == api_version for v in type_.versions
            ):
                return type_
        return None


def _by_path(types: Iterable[ResourceType]) -> dict[tuple[str, str, str], ResourceType]:
    return {(t.group, version, t.plural): t for t in types for version in t.versions}
