"""Events have two APIs over one store: core/v1, which is stored, and events.k8s.io/v1.

The fields correspond as k8s.io/kubernetes/pkg/apis/events/v1/conversion.go says.
"""

from __future__ import annotations

from dnatctl_sim.kube.core.causes import Cause
from dnatctl_sim.kube.core.objects import Object
from dnatctl_sim.kube.core.resources import Shape

_RENAMED = (
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("reportingComponent", "reportingController"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
)


def _to_events_v1(event: Object) -> Object:
    for core, new in _RENAMED:
        if core in event:
            event[new] = event.pop(core)
    return {**event, "apiVersion": "events.k8s.io/v1"}


def _to_core_v1(event: Object) -> Object:
    for core, new in _RENAMED:
        if new in event:
            event[core] = event.pop(new)
    event.setdefault("source", {})
    event.setdefault("firstTimestamp", None)
    event.setdefault("lastTimestamp", None)
    return {**event, "apiVersion": "v1"}


def _check(event: Object) -> list[Cause]:
    causes = []
    if not event.get("eventTime"):
        causes.append(Cause.required("eventTime"))
    if event.get("type") not in ("Normal", "Warning"):
        causes.append(Cause.invalid("type", "", f"has invalid value: {event.get('type', '')}"))
    old = ("firstTimestamp", "lastTimestamp", "count", "source")
    unset = "needs to be unset"
    return causes + [Cause.invalid(field, "", unset) for field in old if event.get(field)]


EVENTS_V1 = Shape(encode=_to_events_v1, decode=_to_core_v1, check=_check)
