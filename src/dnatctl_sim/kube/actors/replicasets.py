"""The ReplicaSet controller's stand-in."""

from __future__ import annotations

from dnatctl_sim.kube.actors.controller import (
    Controller,
    is_active,
    is_ready,
    pod_from,
)
from dnatctl_sim.kube.core import builtin
from dnatctl_sim.kube.core.objects import Object, dig


class ReplicaSets(Controller):
    """Keeps as many pods as `spec.replicas` says. Does not adopt pods that nobody owns."""

    type = builtin.REPLICA_SETS
    children = builtin.PODS

    def sync(self, obj: Object, children: list[Object]) -> None:
        """See `Controller.sync`."""
        active = [pod for pod in children if is_active(pod)]
        wanted = obj["spec"]["replicas"]
        for _ in range(wanted - len(active)):
            pod = pod_from(obj["spec"]["template"], prefix=obj["metadata"]["name"] + "-")
            self.create(builtin.PODS, obj, pod)
        if wanted < len(active):
            for pod in sorted(active, key=_keep_last)[: len(active) - wanted]:
                self.delete(builtin.PODS, pod)
        ready = sum(map(is_ready, active))
        counts: Object = {"replicas": len(active), "fullyLabeledReplicas": len(active)}
        if ready:
            counts |= {"readyReplicas": ready, "availableReplicas": ready}
        self.report(obj, counts)


def _keep_last(pod: Object) -> tuple[bool, bool, str]:
    """Which pods go first: those without a node, those not ready, the youngest."""
    placed = bool(dig(pod, "spec", "nodeName"))
    created: str = pod["metadata"]["creationTimestamp"]
    return (placed, is_ready(pod), "".join(chr(255 - ord(c)) for c in created))
