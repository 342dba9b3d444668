"""What a kubelet reports about a pod: a pure function of the pod and of what runs for it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

Object = dict[str, Any]


@dataclass
class Sandbox:
    """What runs on the node for one pod."""

    ip: str
    host_ip: str
    phase: str = "Running"
    restarts: int = 0
    ended: bool = False
    """Whether all containers have terminated."""
    exit_code: int = 0


def status_patch(pod: Object, sandbox: Sandbox, now: datetime) -> Object | None:
    """Strategic merge patch that brings the pod's status up to date, None where it is."""
    status = pod.get("status", {})
    stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    wanted: Object = {
        "phase": sandbox.phase,
        "hostIP": sandbox.host_ip,
        "podIP": sandbox.ip,
        "podIPs": [{"ip": sandbox.ip}],
        "startTime": status.get("startTime", stamp),
        "containerStatuses": _container_statuses(pod, sandbox, stamp),
    }
    changed = {key: value for key, value in wanted.items() if status.get(key) != value}
    conditions = _changed_conditions(pod, sandbox, stamp)
    if conditions:
        changed["conditions"] = conditions
    if "podIPs" in changed:
        # The list is merged by IP, and a restarted pod would keep its old one.
        changed["podIPs"] = [{"$patch": "replace"}, *wanted["podIPs"]]
    return {"status": changed} if changed else None


def _container_statuses(pod: Object, sandbox: Sandbox, stamp: str) -> list[Object]:
    known = {
        status["name"]: status for status in pod.get("status", {}).get("containerStatuses", ())
    }
    return [
        _container_status(container, known.get(container["name"], {}), sandbox, stamp)
        for container in pod["spec"]["containers"]
    ]


def _container_status(container: Object, known: Object, sandbox: Sandbox, stamp: str) -> Object:
    started = stamp
    if known.get("restartCount") == sandbox.restarts:
        started = _started_at(known) or stamp
    state: Object = {"running": {"startedAt": started}}
    if sandbox.ended:
        ended = known.get("state", {}).get("terminated", {}).get("finishedAt", stamp)
        state = {
            "terminated": {
                "exitCode": sandbox.exit_code,
                "reason": "Error" if sandbox.exit_code else "Completed",
                "startedAt": started,
                "finishedAt": ended,
            }
        }
    return {
        "name": container["name"],
        "image": container["image"],
        "imageID": "",
        "lastState": {},
        "restartCount": sandbox.restarts,
        "ready": not sandbox.ended,
        "started": not sandbox.ended,
        "state": state,
    }


def _started_at(known: Object) -> str | None:
    times = (state.get("startedAt") for state in known.get("state", {}).values())
    return next(times, None)


def _changed_conditions(pod: Object, sandbox: Sandbox, stamp: str) -> list[Object]:
    present = {
        condition["type"]: condition["status"]
        for condition in pod.get("status", {}).get("conditions", ())
    }
    gates = pod["spec"].get("readinessGates", ())
    gates_open = all(present.get(gate["conditionType"]) == "True" for gate in gates)
    wanted = {
        "Initialized": True,
        "ContainersReady": not sandbox.ended,
        "Ready": not sandbox.ended and gates_open,
    }
    return [
        {"type": kind, "status": str(value), "lastTransitionTime": stamp}
        for kind, value in wanted.items()
        if present.get(kind) != str(value)
    ]
