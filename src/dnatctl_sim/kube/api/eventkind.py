"""How Events are written: what makes them acceptable, after validateEvent of k8s.io/kubernetes."""

from __future__ import annotations

from collections.abc import Iterator

from dnatctl_sim.kube.api.strategy import Strategy
from dnatctl_sim.kube.core.causes import Cause
from dnatctl_sim.kube.core.objects import Object, dig

_CLUSTER_WIDE = frozenset({"Node", "Namespace", "CustomResourceDefinition", "PersistentVolume"})
_REQUIRED = (("reportingComponent", "reportingController"), ("reportingInstance", ""))
_TEXTS = (*_REQUIRED, ("action", ""), ("reason", ""))
_TEXT_LIMIT, _NOTE_LIMIT = 128, 1024


class EventStrategy(Strategy):
    """Events with an eventTime must be complete; older ones may lack nearly everything."""

    def validate(self, obj: Object, old: Object | None) -> Iterator[Cause]:
        """See `Strategy.validate`."""
        if old is not None:
            return
        about = dig(obj, "involvedObject", "namespace") or ""
        if not _may_be_about(obj, about):
            why = "does not match event.namespace"
            yield Cause.invalid("involvedObject.namespace", about, why)
        if not obj.get("eventTime"):
            return
        for field, shown in _TEXTS:
            text = obj.get(field) or ""
            if not text:
                yield Cause.required(shown or field)
            elif len(text) > _TEXT_LIMIT:
                yield Cause.invalid(
                    shown or field, "", f"can have at most {_TEXT_LIMIT} characters"
                )
        if len((obj.get("message") or "").encode()) > _NOTE_LIMIT:
            yield Cause.invalid("message", "", f"can have at most {_NOTE_LIMIT} characters")


def _may_be_about(event: Object, namespace: str) -> bool:
    """Whether an event in its namespace may be about an object in that namespace."""
    own: str = event["metadata"].get("namespace", "")
    if namespace:
        return namespace == own
    if not event.get("eventTime"):
        return own == "default"
    kind = dig(event, "involvedObject", "kind")
    return kind in _CLUSTER_WIDE and own in ("default", "kube-system")
