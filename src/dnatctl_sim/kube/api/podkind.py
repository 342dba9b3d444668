"""How pods are written: defaults, the part of the spec that may change, graceful deletion."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from dnatctl_sim.kube.api.strategy import Strategy
from dnatctl_sim.kube.core.causes import Cause
from dnatctl_sim.kube.core.objects import Object, dig

_SPEC_DEFAULTS: Object = {
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "dnsPolicy": "ClusterFirst",
    "schedulerName": "default-scheduler",
    "serviceAccountName": "default",
    "enableServiceLinks": True,
    "securityContext": {},
}
_CONTAINER_DEFAULTS: Object = {
    "imagePullPolicy": "IfNotPresent",
    "resources": {},
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
}
_MUTABLE = ("activeDeadlineSeconds", "terminationGracePeriodSeconds", "tolerations", "nodeName")
_PROTOCOLS = ("SCTP", "TCP", "UDP")
FINAL_PHASES = frozenset({"Succeeded", "Failed"})
"""Phases that a pod never leaves."""


class PodStrategy(Strategy):
    """Pods: most of the spec is fixed at creation, and deletion waits for the kubelet."""

    def default(self, obj: Object) -> None:
        """See `Strategy.default`."""
        default_pod_spec(obj.setdefault("spec", {}))

    def created(self, obj: Object, now: datetime) -> None:
        """See `Strategy.created`."""
        del now
        obj["status"] = {"phase": "Pending", "qosClass": _qos(obj["spec"])}

    def validate(self, obj: Object, old: Object | None) -> Iterator[Cause]:
        """See `Strategy.validate`."""
        yield from validate_pod_spec(obj["spec"], "spec")
        if old is not None and _fixed(obj) != _fixed(old):
            why = (
                "pod updates may not change fields other than `spec.containers[*].image`,"
                "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` "
                "(only additions to existing tolerations),`spec.terminationGracePeriodSeconds` "
                "(allow it to be set to 1 if it was previously negative)"
            )
            yield Cause.forbidden("spec", why)
        was = dig(old or {}, "spec", "nodeName")
        if was and was != obj["spec"].get("nodeName"):
            yield Cause.forbidden("spec.nodeName", "field is immutable")

    def grace(self, obj: Object, wanted: int | None) -> int:
        """See `Strategy.grace`. A pod that no kubelet runs is removed at once."""
        if not obj["spec"].get("nodeName") or dig(obj, "status", "phase") in FINAL_PHASES:
            return 0
        return obj["spec"]["terminationGracePeriodSeconds"] if wanted is None else wanted


def default_pod_spec(spec: Object) -> None:
    """Fill in what a pod spec, or a template's, may leave out."""
    for name, value in _SPEC_DEFAULTS.items():
        spec.setdefault(name, value if not isinstance(value, dict) else {})
    for container in _containers(spec):
        for name, value in _CONTAINER_DEFAULTS.items():
            container.setdefault(name, value if not isinstance(value, dict) else {})
        for port in container.get("ports") or ():
            port.setdefault("protocol", "TCP")


def validate_pod_spec(spec: Object, path: str) -> Iterator[Cause]:
    """What is wrong with a pod spec, or a template's."""
    if not spec.get("containers"):
        yield Cause.required(f"{path}.containers")
    seen: set[str] = set()
    for index, container in enumerate(_containers(spec)):
        where = f"{path}.containers[{index}]"
        for name in ("name", "image"):
            if not container.get(name):
                yield Cause.required(f"{where}.{name}")
        if container.get("name") in seen:
            yield Cause.duplicate(f"{where}.name", container["name"])
        seen.add(container.get("name", ""))
        for number, port in enumerate(container.get("ports") or ()):
            yield from _port_causes(f"{where}.ports[{number}]", port)
    if spec.get("restartPolicy") not in (None, "Always", "OnFailure", "Never"):
        allowed = ("Always", "OnFailure", "Never")
        yield Cause.unsupported(f"{path}.restartPolicy", spec["restartPolicy"], allowed)


def port_causes(path: str, value: Any) -> Iterator[Cause]:
    """What is wrong with the number of a port; a name may be anything here."""
    if isinstance(value, int) and not 1 <= value <= 65535:
        yield Cause.invalid(path, value, "must be between 1 and 65535, inclusive")


def _port_causes(path: str, port: Object) -> Iterator[Cause]:
    if not port.get("containerPort"):
        yield Cause.required(f"{path}.containerPort")
    for field in ("containerPort", "hostPort"):
        if port.get(field):
            yield from port_causes(f"{path}.{field}", port[field])
    if port["protocol"] not in _PROTOCOLS:
        yield Cause.unsupported(f"{path}.protocol", port["protocol"], _PROTOCOLS)


def _containers(spec: Object) -> list[Object]:
    listed = (spec.get("initContainers") or []) + (spec.get("containers") or [])
    return [container for container in listed if isinstance(container, dict)]


def _fixed(pod: Object) -> Object:
    spec = {name: value for name, value in pod["spec"].items() if name not in _MUTABLE}
    for name in ("containers", "initContainers"):
        if name in spec:
            spec[name] = [{**container, "image": ""} for container in spec[name]]
    return spec


def _qos(spec: Object) -> str:
    limits = [dig(container, "resources", "limits") or {} for container in _containers(spec)]
    requests = [dig(container, "resources", "requests") or {} for container in _containers(spec)]
    if not any(limits) and not any(requests):
        return "BestEffort"
    full = all({"cpu", "memory"} <= limit.keys() for limit in limits)
    same = all(not want or want == limit for want, limit in zip(requests, limits, strict=True))
    return "Guaranteed" if full and same else "Burstable"
