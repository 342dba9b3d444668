"""Direct access to the server's objects for tests, benchmarks and demos: no HTTP, no faults."""

from __future__ import annotations

import copy
import uuid
from collections.abc import Iterable
from typing import Any

from dnatctl_sim.kube.api.options import DeleteOptions, Target, WriteOptions
from dnatctl_sim.kube.api.patches import MERGE_PATCH
from dnatctl_sim.kube.api.verbs import Api
from dnatctl_sim.kube.core.objects import Object, metadata, timestamp
from dnatctl_sim.kube.core.store import Store


class Objects:
    """Objects by resource (`pods`, `poddnats.alibabacloud.com`), namespace and name.

    What is given back may be changed freely. Safe to use from any thread. An unknown resource
    raises KeyError, a refused write `ApiError`.
    """

    def __init__(self, api: Api) -> None:
        self._api = api

    @property
    def raw(self) -> Store:
        """The store itself."""
        return self._api.store

    @property
    def revision(self) -> int:
        """The latest resourceVersion."""
        return self._api.store.revision

    def get(self, resource: str, namespace: str, name: str) -> Object | None:
        """One object; None where there is none. Cluster-wide objects have the namespace ""."""
        found = self._api.store.get(self._api.registry.by_key(resource), namespace, name)
        return found.load() if found else None

    def list(self, resource: str, namespace: str = "") -> list[Object]:
        """All objects of a resource, in one namespace or in all."""
        type_ = self._api.registry.by_key(resource)
        return [version.load() for version in self._api.store.list(type_, namespace).items]

    def create(self, resource: str, obj: Object) -> Object:
        """Create an object as a client would, kind and version filled in; the object as stored."""
        target = self._target(resource, metadata(obj).get("namespace", ""))
        type_ = target.type
        named = {"apiVersion": type_.api_version(), "kind": type_.kind, **copy.deepcopy(obj)}
        return self._api.create(target, named, WriteOptions()).load()

    def create_many(self, resource: str, objects: Iterable[Object]) -> int:
        """Store objects as they are, status included, with no defaults and no checks; how many.

        Each gets a uid and a creationTimestamp where it has none. For filling large clusters.
        """
        type_ = self._api.registry.by_key(resource)
        now = timestamp(self._api.clock.now())
        with self._api.store.lock:
            stored = [
                self._api.store.put(type_, {**obj, "metadata": _complete(obj["metadata"], now)})
                for obj in objects
            ]
        return len(stored)

    def patch(
        self, resource: str, namespace: str, name: str, patch: Any, subresource: str = ""
    ) -> Object:
        """Merge-patch an object, or its status, as a client would."""
        target = self._target(resource, namespace, name, subresource)
        return self._api.patch(target, patch, MERGE_PATCH, WriteOptions()).load()

    def delete(
        self,
        resource: str,
        namespace: str,
        name: str,
        *,
        grace: int | None = None,
        policy: str = "",
    ) -> None:
        """Delete an object as a client would; with `grace` 0 a pod goes at once.

        `policy`: what becomes of what it owns (`Foreground`, `Orphan`; `Background` if empty).
        """
        target = self._target(resource, namespace, name)
        self._api.deletion.delete(target, DeleteOptions(grace=grace, policy=policy))

    def _target(
        self, resource: str, namespace: str = "", name: str = "", subresource: str = ""
    ) -> Target:
        type_ = self._api.registry.by_key(resource)
        return Target(type_, namespace, name, subresource, type_.version)


def _complete(meta: Object, now: str) -> Object:
    return {"uid": str(uuid.uuid4()), "creationTimestamp": now, **meta}
