"""PodDisruptionBudgets: may this pod be evicted now?"""

from __future__ import annotations

import math
from collections.abc import Sequence

from dnatctl_sim.kube.core import builtin, selectors
from dnatctl_sim.kube.core.collection import Version
from dnatctl_sim.kube.core.errors import ApiError
from dnatctl_sim.kube.core.objects import Object, condition
from dnatctl_sim.kube.core.store import Store


def check(store: Store, pod: Version) -> None:
    """Raise ApiError 429 when a budget does not allow `pod` to go."""
    pods = store.list(builtin.PODS, pod.namespace).items
    for budget in store.list(builtin.BUDGETS, pod.namespace).items:
        spec = budget.load()["spec"]
        selector = selectors.from_object(spec.get("selector"))
        covered = [p for p in pods if selector.matches(p.labels, {})]
        if pod in covered and _is_healthy(pod) and _allowed(spec, covered) < 1:
            text = "Cannot evict pod as it would violate the pod's disruption budget."
            why = f"The disruption budget {budget.name} does not allow it at present"
            details = {"causes": [{"reason": "DisruptionBudget", "message": why}]}
            raise ApiError(429, "TooManyRequests", text, details)


def _allowed(spec: Object, covered: Sequence[Version]) -> int:
    healthy, total = sum(map(_is_healthy, covered)), len(covered)
    if "minAvailable" in spec:
        return healthy - resolve(spec["minAvailable"], total)
    return healthy - (total - resolve(spec.get("maxUnavailable", 0), total))


def _is_healthy(pod: Version) -> bool:
    obj = pod.load()
    ready = (condition(obj, "Ready") or {}).get("status") == "True"
    return ready and "deletionTimestamp" not in obj["metadata"]


def resolve(bound: int | str, total: int, *, up: bool = True) -> int:
    """A number of pods given as itself or as a share of `total` (`25%`), rounded up or down."""
    if isinstance(bound, int):
        return bound
    share = int(bound.removesuffix("%")) * total / 100
    return math.ceil(share) if up else math.floor(share)
