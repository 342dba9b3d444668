"""The scheduler's stand-in: gives pending pods a node, one after the other."""

from __future__ import annotations

from dnatctl_sim.kube.actors.edits import edit
from dnatctl_sim.kube.actors.troupe import Timers
from dnatctl_sim.kube.api.verbs import Api
from dnatctl_sim.kube.core import builtin
from dnatctl_sim.kube.core.collection import Change, ChangeType, Key, Version
from dnatctl_sim.kube.core.objects import Object, is_subset, set_condition, timestamp


class Scheduler:
    """Binds pods to nodes that are schedulable and fit the pod's nodeSelector.

    `seconds` is how long a pod waits for it. Resources, affinity and taints are not looked at.
    """

    def __init__(self, api: Api, timers: Timers, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self._api = api
        self._timers = timers
        self._turn = 0
        self._unschedulable: dict[Key, str] = {}

    def observe(self, collection: str, change: Change) -> None:
        """See `Actor.observe`."""
        if collection == builtin.PODS.key and change.type is ChangeType.ADDED:
            self._consider(change.new)
        elif collection == builtin.NODES.key and self._unschedulable:
            waiting, self._unschedulable = self._unschedulable, {}
            for key, uid in waiting.items():
                self._place(key, uid)
        elif collection == builtin.PODS.key and _was_gated(change):
            self._consider(change.new)

    def _consider(self, pod: Version) -> None:
        if pod.fields.get("spec.nodeName") or pod.fields.get("status.phase") != "Pending":
            return
        key, uid = pod.key, pod.uid
        self._timers.call_later(self.seconds, lambda: self._place(key, uid))

    def _place(self, key: Key, uid: str) -> None:
        edit(self._api, builtin.PODS, key, self._bind, uid)

    def _bind(self, pod: Object) -> None:
        spec, meta = pod["spec"], pod["metadata"]
        gated = spec.get("schedulingGates")
        if spec.get("nodeName") or gated or "deletionTimestamp" in meta:
            return
        now = timestamp(self._api.clock.now())
        node = self._choose(spec.get("nodeSelector") or {})
        if node is None:
            self._unschedulable[meta.get("namespace", ""), meta["name"]] = meta["uid"]
            why = "no nodes available to schedule pods"
            reason = "Unschedulable"
            set_condition(pod, "PodScheduled", "False", now, reason=reason, message=why)
            return
        spec["nodeName"] = node
        set_condition(pod, "PodScheduled", "True", now)

    def _choose(self, selector: dict[str, str]) -> str | None:
        nodes = [
            node.name
            for node in self._api.store.list(builtin.NODES).items
            if is_subset(selector, node.labels) and node.fields.get("spec.unschedulable") != "true"
        ]
        self._turn += 1
        return nodes[self._turn % len(nodes)] if nodes else None


def _was_gated(change: Change) -> bool:
    """Whether the change may have taken a scheduling gate away: an unplaced pod's spec changed."""
    return change.type is ChangeType.MODIFIED and not change.new.fields.get("spec.nodeName")
