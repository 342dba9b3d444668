"""Subresources that are no part of the object's document: scale and finalize."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dnatctl_sim.kube.api.options import Target, WriteOptions
from dnatctl_sim.kube.api.patches import apply_patch
from dnatctl_sim.kube.api.verbs import Api
from dnatctl_sim.kube.core import builtin, errors, jsonpath, selectors
from dnatctl_sim.kube.core.objects import Object, dig


class Subresources:
    """Reads and writes them."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def read(self, target: Target) -> Object:
        """Answer a get. Raises ApiError 404."""
        if target.subresource == "scale" and target.type.scale:
            return self._scale(target)
        raise errors.no_such_resource()

    def log(self, target: Target) -> str:
        """What `kubectl logs` prints. Raises ApiError 404."""
        phase = self._api.get(target).fields.get("status.phase")
        return f"(emulated pod {target.name}: {phase}; nothing runs in it)\n"

    def write(
        self, verb: str, target: Target, body: Any, media_type: str, options: WriteOptions
    ) -> Object:
        """Answer a create, update or patch. Raises ApiError 404, and what the write raises."""
        if target.subresource == "scale" and target.type.scale and verb in ("update", "patch"):
            return self._rescale(target, body, media_type if verb == "patch" else "", options)
        writers: dict[tuple[str, str, str], Callable[[Target, Any, WriteOptions], Object]] = {
            ("namespaces", "finalize", "update"): self._finalize,
        }
        writer = writers.get((target.type.key, target.subresource, verb))
        if writer is None:
            raise errors.no_such_resource()
        return writer(target, body, options)

    def _scale(self, target: Target) -> Object:
        obj = self._api.get(target).load()
        paths = target.type.scale
        assert paths is not None, "callers ask for types with a scale only"
        meta = obj["metadata"]
        kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
        selector = jsonpath.find(obj, paths.selector) if paths.selector else []
        text = selector[0] if selector else selectors.to_text(dig(obj, "spec", "selector"))
        replicas = jsonpath.find(obj, paths.spec_replicas)
        current = jsonpath.find(obj, paths.status_replicas)
        return {
            "kind": "Scale",
            "apiVersion": "autoscaling/v1",
            "metadata": {field: meta[field] for field in kept if field in meta},
            "spec": {"replicas": replicas[0]} if replicas and replicas[0] else {},
            "status": {"replicas": current[0] if current else 0, "selector": text},
        }

    def _rescale(self, target: Target, body: Any, media_type: str, options: WriteOptions) -> Object:
        with self._api.store.lock:
            scale = self._scale(target)
            wanted = apply_patch(target.type, scale, body, media_type) if media_type else body
            replicas = dig(wanted, "spec", "replicas") or 0
            version = dig(wanted, "metadata", "resourceVersion")
            parent = Target(target.type, target.namespace, target.name, "", target.version)
            obj = self._api.load(parent)
            if version:
                obj["metadata"]["resourceVersion"] = version
            assert target.type.scale is not None, "callers ask for types with a scale only"
            _set(obj, target.type.scale.spec_replicas, replicas)
            self._api.update(parent, obj, options)
            return self._scale(target)

    def _finalize(self, target: Target, body: Any, options: WriteOptions) -> Object:
        del options
        with self._api.store.lock:
            old = self._api.get(target)
            obj = old.load()
            obj["spec"] = {"finalizers": dig(body, "spec", "finalizers") or []}
            return self._api.write_internal(builtin.NAMESPACES, old, obj).load()


def _set(obj: Object, path: str, value: Any) -> None:
    *parents, last = path.strip(".").split(".")
    for name in parents:
        obj = obj.setdefault(name, {})
    obj[last] = value
