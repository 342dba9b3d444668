"""The status that a kubelet writes into a pod."""

from __future__ import annotations

from dnatctl_sim.kube.api.podkind import FINAL_PHASES
from dnatctl_sim.kube.core.objects import Object, condition, set_condition


def run(pod: Object, now: str, address: str, host: str, *, restarted: bool) -> None:
    """The pod's containers run, and are ready, behind `address`."""
    status = pod["status"]
    status |= {
        "phase": "Running",
        "hostIP": host,
        "hostIPs": [{"ip": host}],
        "podIP": address,
        "podIPs": [{"ip": address}],
        "startTime": status.get("startTime", now),
    }
    counts = {s["name"]: s["restartCount"] for s in status.get("containerStatuses", ())}
    status["containerStatuses"] = [
        _running(container, counts.get(container["name"], 0) + restarted, now)
        for container in pod["spec"]["containers"]
    ]
    set_condition(pod, "PodReadyToStartContainers", "True", now)
    set_condition(pod, "Initialized", "True", now)
    refresh_ready(pod, now)


def end(pod: Object, now: str, exit_code: int) -> None:
    """The pod's containers have ended and will not start again."""
    status = pod["status"]
    for container in status.get("containerStatuses", ()):
        started = (container["state"].get("running") or {}).get("startedAt", now)
        ended = {
            "exitCode": exit_code,
            "reason": "Error" if exit_code else "Completed",
            "startedAt": started,
            "finishedAt": now,
            "containerID": container["containerID"],
        }
        container |= {"ready": False, "started": False, "state": {"terminated": ended}}
    if status.get("phase") not in FINAL_PHASES:
        status["phase"] = "Failed" if exit_code else "Succeeded"
    for name in ("Ready", "ContainersReady"):
        if condition(pod, name):
            set_condition(pod, name, "False", now, reason="PodCompleted")


def set_ready(pod: Object, now: str, *, ready: bool) -> None:
    """The containers pass, or fail, their readiness probes."""
    for container in pod["status"].get("containerStatuses", ()):
        container["ready"] = ready
    refresh_ready(pod, now)


def refresh_ready(pod: Object, now: str) -> None:
    """Work out the Ready conditions from the containers and the readiness gates."""
    containers = pod["status"].get("containerStatuses", ())
    if not containers:
        return
    ready = all(container["ready"] for container in containers)
    _set(pod, "ContainersReady", now, "" if ready else "ContainersNotReady")
    gates = [gate["conditionType"] for gate in pod["spec"].get("readinessGates") or ()]
    passed = all((condition(pod, gate) or {}).get("status") == "True" for gate in gates)
    reason = (
        "" if ready and passed else "ContainersNotReady" if passed else "ReadinessGatesNotReady"
    )
    _set(pod, "Ready", now, reason)


def _set(pod: Object, type_: str, now: str, reason: str) -> None:
    present = condition(pod, type_)
    status = "False" if reason else "True"
    if present and present.get("status") == status and present.get("reason", "") == reason:
        return
    set_condition(pod, type_, status, now, reason=reason)
    fresh = condition(pod, type_)
    if fresh is not None and not reason:
        fresh.pop("reason")


def _running(container: Object, restarts: int, now: str) -> Object:
    return {
        "name": container["name"],
        "image": container.get("image", ""),
        "imageID": f"sim://{container.get('image', '')}",
        "containerID": f"sim://{container['name']}-{restarts}",
        "ready": True,
        "started": True,
        "restartCount": restarts,
        "state": {"running": {"startedAt": now}},
        "lastState": {},
    }
