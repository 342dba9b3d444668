"""The row of a pod, after `printPod` of k8s.io/kubernetes/pkg/printers/internalversion."""

from __future__ import annotations

from typing import Any

from dnatctl_sim.kube.core.objects import Object, condition, dig
from dnatctl_sim.kube.core.resources import Column
from dnatctl_sim.kube.wire.tables import AGE

POD_COLUMNS = (
    Column("Ready", description="Containers that are ready, of all."),
    Column("Status"),
    Column("Restarts"),
    AGE,
    Column("IP", priority=1),
    Column("Node", priority=1),
    Column("Nominated Node", priority=1),
    Column("Readiness Gates", priority=1),
)


def pod_cells(obj: Object, age: str) -> list[Any]:
    """The cells after the name."""
    statuses = dig(obj, "status", "containerStatuses") or []
    total = len(dig(obj, "spec", "containers") or ())
    ready = sum(bool(status.get("ready")) for status in statuses)
    return [
        f"{ready}/{total}",
        _reason(obj, statuses),
        str(sum(status.get("restartCount", 0) for status in statuses)),
        age,
        dig(obj, "status", "podIP") or "<none>",
        dig(obj, "spec", "nodeName") or "<none>",
        dig(obj, "status", "nominatedNodeName") or "<none>",
        _gates(obj),
    ]


def _reason(obj: Object, statuses: list[Object]) -> str:
    reason = dig(obj, "status", "reason") or dig(obj, "status", "phase") or ""
    for status in reversed(statuses):
        state = status.get("state") or {}
        waiting, ended = state.get("waiting") or {}, state.get("terminated")
        if waiting.get("reason"):
            reason = waiting["reason"]
        elif ended is not None:
            reason = ended.get("reason") or f"ExitCode:{ended.get('exitCode', 0)}"
    if "deletionTimestamp" not in obj["metadata"]:
        return str(reason)
    lost = dig(obj, "status", "reason") == "NodeLost"
    final = dig(obj, "status", "phase") in ("Succeeded", "Failed")
    return str(reason) if final else "Unknown" if lost else "Terminating"


def _gates(obj: Object) -> str:
    gates = dig(obj, "spec", "readinessGates") or []
    if not gates:
        return "<none>"
    types = [gate["conditionType"] for gate in gates]
    true = sum((condition(obj, name) or {}).get("status") == "True" for name in types)
    return f"{true}/{len(types)}"
