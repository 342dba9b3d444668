"""The StatefulSet controller's stand-in."""

from __future__ import annotations

from dnatctl_sim.kube.actors.controller import (
    Controller,
    is_active,
    is_final,
    is_ready,
    pod_from,
    template_hash,
)
from dnatctl_sim.kube.core import builtin
from dnatctl_sim.kube.core.objects import Object, dig

_REVISION = "controller-revision-hash"


class StatefulSets(Controller):
    """Pods with fixed names, made and unmade in order (or all at once, if Parallel)."""

    type = builtin.STATEFUL_SETS
    children = builtin.PODS

    def sync(self, obj: Object, children: list[Object]) -> None:
        """See `Controller.sync`."""
        meta, spec = obj["metadata"], obj["spec"]
        revision = f"{meta['name']}-{template_hash(spec['template'])}"
        pods = {pod["metadata"]["name"]: pod for pod in children}
        first = dig(spec, "ordinals", "start") or 0
        wanted = [f"{meta['name']}-{n}" for n in range(first, first + spec["replicas"])]
        settled = self._grow(obj, wanted, pods, revision)
        if settled:
            settled = self._shrink(obj, wanted, pods)
        if settled:
            self._update(obj, wanted, pods, revision)
        self._report(obj, list(pods.values()), revision)

    def _grow(self, obj: Object, wanted: list[str], pods: dict[str, Object], revision: str) -> bool:
        """Make what is missing; whether all is there (and ready, when order matters)."""
        settled = True
        for name in wanted:
            pod = pods.get(name)
            if pod is None:
                self._create(obj, name, revision)
            elif is_final(pod):
                self.delete(builtin.PODS, pod)
            if pod is None or not is_active(pod) or not is_ready(pod):
                settled = False
                if _ordered(obj):
                    return False
        return settled or not _ordered(obj)

    def _shrink(self, obj: Object, wanted: list[str], pods: dict[str, Object]) -> bool:
        """Delete pods with higher ordinals, the highest first; whether none is left."""
        surplus = sorted((name for name in pods if name not in wanted), key=_ordinal, reverse=True)
        for name in surplus:
            self.delete(builtin.PODS, pods[name])
            if _ordered(obj):
                return False
        return not surplus

    def _update(
        self, obj: Object, wanted: list[str], pods: dict[str, Object], revision: str
    ) -> None:
        """Replace pods of an older template, from the highest ordinal down, one at a time."""
        strategy = obj["spec"].get("updateStrategy") or {}
        if strategy.get("type") == "OnDelete":
            return
        partition = dig(strategy, "rollingUpdate", "partition") or 0
        for name in reversed(wanted):
            if name not in pods or _ordinal(name) < partition:
                return
            pod = pods[name]
            if pod["metadata"]["labels"].get(_REVISION) != revision:
                self.delete(builtin.PODS, pod)
                return
            if not is_active(pod) or not is_ready(pod):
                return

    def _create(self, obj: Object, name: str, revision: str) -> None:
        spec = obj["spec"]
        pod = pod_from(spec["template"], name)
        pod["metadata"].setdefault("labels", {}).update(
            {
                "apps.kubernetes.io/pod-index": str(_ordinal(name)),
                _REVISION: revision,
                "statefulset.kubernetes.io/pod-name": name,
            }
        )
        pod["spec"]["hostname"] = name
        if spec.get("serviceName"):
            pod["spec"]["subdomain"] = spec["serviceName"]
        self.create(builtin.PODS, obj, pod)

    def _report(self, obj: Object, pods: list[Object], revision: str) -> None:
        updated = [pod for pod in pods if pod["metadata"]["labels"].get(_REVISION) == revision]
        ready = sum(is_ready(pod) for pod in pods if not is_final(pod))
        done = len(updated) == len(pods) == obj["spec"]["replicas"]
        before = dig(obj, "status", "currentRevision") or revision
        status: Object = {
            "replicas": len(pods),
            "readyReplicas": ready,
            "availableReplicas": ready,
            "currentRevision": revision if done else before,
            "updateRevision": revision,
            "collisionCount": 0,
        }
        current = [p for p in pods if p["metadata"]["labels"].get(_REVISION) == before]
        status["currentReplicas"] = len(updated) if done else len(current)
        status["updatedReplicas"] = len(updated)
        self.report(obj, {name: value for name, value in status.items() if value != 0})


def _ordered(obj: Object) -> bool:
    return bool(obj["spec"].get("podManagementPolicy") != "Parallel")


def _ordinal(name: str) -> int:
    return int(name.rpartition("-")[2])
