"""Signals: from those who see that something has changed to the work queue."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import structlog
from msgspec.structs import replace

from dnatctl.cloud.api import Stopped
from dnatctl.control.state.delays import Priority
from dnatctl.control.state.queue import WorkQueue
from dnatctl.control.state.views import Views
from dnatctl.kube.cache import Cache
from dnatctl.kube.namespaces import Namespace
from dnatctl.kube.nodes import Node
from dnatctl.objects import Condition, Key, Pod, PodDNAT, PodRef

log = structlog.get_logger(__name__)

T = TypeVar("T", Pod, PodDNAT)

PULSE_S = 1.0
"""How often is looked after what comes with time alone."""

RESYNC_SHARE = 0.5
"""Of the time between two resyncs, in which all are looked at: at once that would be ten thousand
looks that find nothing, and who waits for a thread would wait for all that are at them."""


class Signals:
    """Listens to caches, pollers, writers and gateways. Until `begin` it keeps the indexes of the
    views, and puts nothing on the queue: a replica may stand by for weeks, and nobody takes of it.
    """

    def __init__(
        self,
        views: Views,
        queue: WorkQueue[PodRef],
        pods: Cache[Pod],
        records: Cache[PodDNAT],
    ) -> None:
        self._views = views
        self._queue = queue
        self._pods = pods
        self._records = records
        self._resynced = views.clock.monotonic()
        self._to_resync: Iterator[list[Key]] = iter(())
        """Names that are still to be looked at, of each pulse."""
        self._begun = False
        self._telling: dict[Key, Condition] = {}
        pods.on_change(self._pod_changed)
        records.on_change(self._record_changed)

    def begin(self) -> None:
        """This replica leads from now on: all that is there is looked at, news before it."""
        self._begun = True
        self._resynced = self._views.clock.monotonic()
        self.resync()

    def resync(self) -> None:
        """Look at everything again, after what is more urgent."""
        for key in self._names():
            self._add(key, Priority.LOW)

    def _in_parts(self, most: int) -> Iterator[list[Key]]:
        """All names, in so many parts at most."""
        names = sorted(self._names())
        size = max(-(-len(names) // max(most, 1)), 1)
        return (names[n : n + size] for n in range(0, len(names), size))

    def _names(self) -> set[Key]:
        pods, records = self._pods.values(), self._records.values()
        return {*(pod.key for pod in pods), *(record.key for record in records)}

    def ref(self, key: Key) -> PodRef:
        """Who stands for a name now: its pod; else the pod that its PodDNAT was made for; else the
        PodDNAT itself (a fixed claim whose pod is away)."""
        if (pod := self._pods.get(key)) is not None:
            return PodRef(pod.uid, key)
        record = self._records.get(key)
        if record is None:
            return PodRef("", key)
        made_for = (owner.uid for owner in record.owners if owner.kind == "Pod")
        return PodRef(next(made_for, record.uid), key)

    def successor(self, ref: PodRef) -> PodRef | None:
        """Who stands for the name of that pod instead of it; None while it does itself, and where
        nobody does any more."""
        now = self.ref(ref.key)
        return now if now.uid and now != ref else None

    def looking(self, ref: PodRef) -> bool:
        """A worker looks at the pod from here on: what was heard of it until now is settled.

        False where its name is another pod's by now, who is on the queue. Raises Stopped when
        nobody is to look any more: a chain of requests goes no further.
        """
        if self._queue.closed:
            raise Stopped
        if self.successor(ref) is not None:
            return False
        self._queue.looking(ref)
        # Who heard that the last of the name is gone, put it on the queue as nobody's.
        self._queue.looking(PodRef("", ref.key))
        return True

    @contextmanager
    def telling(self, key: Key, condition: Condition) -> Iterator[None]:
        """What this process itself tells the pod of that name meanwhile is no news of it."""
        self._telling[key] = condition
        try:
            yield
        finally:
            del self._telling[key]

    def _add(self, key: Key, priority: Priority = Priority.HIGH) -> None:
        if self._begun:
            self._queue.add(self.ref(key), priority)

    # --- caches

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        withdrawn = self._views.ips.pod_changed(old, new)
        if old is not None and new is not None and self._is_no_news(old, new):
            return
        self._enqueue(old or new)
        for ip in withdrawn:  # who is left may have it alone now
            for key in self._views.ips.keys_at(ip):
                self._add(key)
        for ip in new.ips if new is not None else ():
            self.address_in_doubt(ip)

    def _is_no_news(self, old: Pod, new: Pod) -> bool:
        """Whether nothing has changed that is read of pods; while one is told something, whether
        just that has.

        Whoever may label a pod may do so a hundred times a second.
        """
        told, has = self._telling.get(new.key), new.condition
        if told is None:
            return _is_same(old, new)
        if has is None:
            return False
        same = (has.status, has.reason, has.message) == (told.status, told.reason, told.message)
        return same and _is_same(old, replace(new, condition=old.condition))

    def _record_changed(self, old: PodDNAT | None, new: PodDNAT | None) -> None:
        if self._views.record_changed(old, new):
            self.room_made()
        if old is None or new is None or not _is_same(old, new):
            self._enqueue(old or new)

    def _enqueue(self, obj: Pod | PodDNAT | None) -> None:
        if obj is not None:
            self._add(obj.key)

    def interface_found(self, ip: str) -> None:
        """Which network interface has that IP, or that none has, is known now."""
        for key in self._views.ips.keys_at(ip):
            self._add(key)

    def noted(self, state: str) -> None:
        """What the next leader is to be told is stored: those who waited for it go on."""
        for key in self._views.noted(state):
            self._add(key)

    def address_in_doubt(self, ip: str) -> None:
        """Whose an IP is may be different: look again at all who state it, if there are several."""
        keys = self._views.ips.keys_at(ip)
        for key in keys if len(keys) > 1 else ():
            self._add(key)

    def node_changed(self, old: Node | None, new: Node | None) -> None:
        """A node came, went, died or came back to life, or has other addresses."""
        if old is not None and new is not None and _is_alike(old, new):
            return
        both = [node for node in (old, new) if node is not None]
        names = {node.key.name for node in both}
        for ip in self._views.ips.shared():
            pods = map(self._pods.get, self._views.ips.keys_at(ip))
            if any(pod is not None and pod.node in names and pod.ipv4 == ip for pod in pods):
                self.address_in_doubt(ip)
        for ip in {ip for node in both for ip in node.addresses}:
            for key in self._views.ips.keys_at(ip):
                self._add(key)

    def namespace_changed(self, old: Namespace | None, new: Namespace | None) -> None:
        """A namespace came or went, or has other labels: whether its pods may be exposed may be
        different."""
        space = new or old
        if space is None or (old is not None and new is not None and old.labels == new.labels):
            return
        for pod in self._pods.values():
            if pod.key.namespace == space.key.name:
                self._enqueue(pod)

    # --- pollers, writers, gateways

    def changed(self, key: Key) -> None:
        """Look at this record again."""
        self._add(key)

    def room_made(self) -> None:
        """Something was freed: some of those who wait for an endpoint try again."""
        for key in self._views.waiting.call():
            self._add(key)

    def served(self) -> None:
        """One got an endpoint: there may be more where that came from."""
        for key in self._views.waiting.call(1):
            self._add(key)

    def called_in_vain(self) -> None:
        """One that waits got nothing: there may be something for the next one."""
        for key in self._views.waiting.call_on():
            self._add(key)

    def pulse(self, resync: float) -> None:
        """Time goes by: to be called every PULSE_S. `resync`: after so long all is looked at."""
        for key in self._views.waiting.pulse():
            self._add(key)
        now = self._views.clock.monotonic()
        if now - self._resynced >= resync:
            self._resynced = now
            self._to_resync = self._in_parts(int(resync * RESYNC_SHARE / PULSE_S))
        for key in next(self._to_resync, ()):
            self._add(key, Priority.LOW)

    def gateway_changed(self, gateway_id: str) -> None:
        """A gateway or its EIPs are different: look at all that claim of these, and who waits."""
        log.debug("gateway changed", gateway=gateway_id)
        self.room_made()
        gateway = self._views.gateways.get(gateway_id)
        eips = {eip.ip for eip in gateway.eips} if gateway else set()
        for record in self._records.values():
            if record.spec.gateway_id == gateway_id or record.spec.external_ip in eips:
                self._add(record.key, Priority.LOW)


def _is_same(old: T, new: T) -> bool:
    """Whether all that is kept of both is the same, their versions apart."""
    return old == replace(new, resource_version=old.resource_version)


def _is_alike(old: Node, new: Node) -> bool:
    return (old.ready, old.addresses, old.instance) == (new.ready, new.addresses, new.instance)
