"""Who is told what: between those who see changes and those who act on them."""

from __future__ import annotations

from collections.abc import Iterable

import structlog

from dnatctl.cloud.operation import Operation
from dnatctl.control.gateways import Gateways
from dnatctl.control.queue import Priority, WorkQueue
from dnatctl.control.sweeper import Sweeper
from dnatctl.control.world import World
from dnatctl.kube.cache import Cache
from dnatctl.kube.errors import KubeError
from dnatctl.kube.ledger import Ledger
from dnatctl.kube.nodes import Node
from dnatctl.objects import Key, Pod, PodDNAT, PodRef
from dnatctl.observe.metrics import Metrics
from dnatctl.table.writes import CreateRow, DeleteRow, ModifyRow, Write

log = structlog.get_logger(__name__)

PULSE_S = 1.0
"""How often is looked after what comes with time alone."""

OPERATION = {
    CreateRow: Operation.CREATE,
    ModifyRow: Operation.MODIFY,
    DeleteRow: Operation.DELETE,
}


class Hub:
    """The listener of stores, pollers and writers, and the hands of workers.

    Until `attach` has told it of the leader's threads it only keeps the indexes.
    """

    def __init__(
        self,
        world: World,
        queue: WorkQueue[PodRef],
        pods: Cache[Pod],
        records: Cache[PodDNAT],
        *,
        metrics: Metrics,
        ledger: Ledger,
    ) -> None:
        self._world = world
        self._queue = queue
        self._pods = pods
        self._records = records
        self._metrics = metrics
        self._ledger = ledger
        self._wanted: dict[str, set[str]] = {}
        self._resynced = world.clock.monotonic()
        self.gateways: Gateways | None = None
        self.sweeper: Sweeper | None = None
        self.can_modify = True
        pods.on_change(self._pod_changed)
        records.on_change(self._record_changed)

    def attach(self, gateways: Gateways, sweeper: Sweeper) -> None:
        """The leader's threads exist now."""
        self.gateways, self.sweeper = gateways, sweeper
        self._resynced = self._world.clock.monotonic()

    def resync(self) -> None:
        """Look at everything again, after what is more urgent."""
        pods, records = self._pods.values(), self._records.values()
        for key in {*(pod.key for pod in pods), *(record.key for record in records)}:
            self._add(key, Priority.LOW)

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

        False where its name is another pod's by now, who is on the queue.
        """
        if self.successor(ref) is not None:
            return False
        self._queue.looking(ref)
        return True

    def _add(self, key: Key, priority: Priority = Priority.HIGH) -> None:
        self._queue.add(self.ref(key), priority)

    # --- stores

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        self._world.pod_changed(old, new)
        self._enqueue(old or new)
        for ip in {ip for pod in (old, new) if pod is not None for ip in pod.ips}:
            self.address_in_doubt(ip)

    def _record_changed(self, old: PodDNAT | None, new: PodDNAT | None) -> None:
        if self._world.record_changed(old, new):
            self.room_made()
        if old is not None and new is None:
            if self.sweeper is not None and self._has_rows(old.uid):
                self.sweeper.vanished(old.uid, old.key)
            self.forget(old.uid)
        self._enqueue(old or new)

    def _has_rows(self, uid: str) -> bool:
        """Whether that PodDNAT has rows, or is to get some."""
        return uid in self._wanted or self._world.has_rows(uid)

    def _enqueue(self, obj: Pod | PodDNAT | None) -> None:
        if obj is not None:
            self._add(obj.key, Priority.HIGH if self.gateways else Priority.LOW)

    def address_in_doubt(self, ip: str) -> None:
        """Whose an IP is may be different: look again at all who state it, if there are several."""
        keys = self._world.keys_at(ip)
        for key in keys if len(keys) > 1 else ():
            self._add(key)

    def node_changed(self, old: Node | None, new: Node | None) -> None:
        """A node came, went, died or came back to life, or has other addresses."""
        if old is not None and new is not None and _is_alike(old, new):
            return
        both = [node for node in (old, new) if node is not None]
        for pod in self._pods.values():
            if any(pod.node == node.key.name for node in both):
                self.address_in_doubt(pod.ipv4)
        for ip in {ip for node in both for ip in node.addresses}:
            for key in self._world.keys_at(ip):
                self._add(key)

    # --- pollers, writers, gateways

    def changed(self, key: Key) -> None:
        """Look at this record again."""
        self._add(key)

    def room_made(self) -> None:
        """Something was freed: some of those who wait for an endpoint try again."""
        for key in self._world.waiting.call():
            self._add(key)

    def served(self) -> None:
        """One got an endpoint: there may be more where that came from."""
        for key in self._world.waiting.call(1):
            self._add(key)

    def pulse(self, resync: float) -> None:
        """Time goes by: to be called every PULSE_S. `resync`: after so long all is looked at."""
        for key in self._world.waiting.pulse():
            self._add(key)
        now = self._world.clock.monotonic()
        if now - self._resynced >= resync:
            self._resynced = now
            self.resync()

    def rows_gone(self, entry_ids: Iterable[str]) -> None:
        """Take rows that are gone out of the ledger."""
        gone = self._world.disown(entry_ids)
        for gateway_id in self._world.tables if gone else ():
            try:
                self._ledger.strike(gateway_id, gone)
            except KubeError as error:
                # What is left in the ledger is an ID that the cloud never gives again.
                log.warning("ledger not updated", gateway=gateway_id, error=str(error))

    def read_soon(self, gateway_id: str) -> None:
        """The view of a table is in doubt."""
        poller = self.gateways.poller(gateway_id) if self.gateways else None
        if poller is not None:
            poller.read_soon()

    def gateway_in_doubt(self, gateway_id: str) -> None:
        """A gateway is not as it was described."""
        if self.gateways is not None:
            self.gateways.describe_soon(gateway_id)

    def gateway_changed(self, gateway_id: str) -> None:
        """A gateway or its EIPs are different: look at all that claims it, and who waits."""
        log.debug("gateway changed", gateway=gateway_id)
        self.room_made()
        for record in self._records.values():
            if record.spec.gateway_id == gateway_id:
                self._add(record.key, Priority.LOW)

    def modify_denied(self) -> None:
        """The credentials do not allow ModifyForwardEntry: entries are replaced instead."""
        log.warning("vpc:ModifyForwardEntry is not granted; entries are deleted and created anew")
        self.can_modify = False

    def written(self, gateway_id: str, write: Write, outcome: str) -> None:
        """A write was answered."""
        self._metrics.table_writes.labels(gateway_id, OPERATION[type(write)], outcome).inc()
        poller = self.gateways.poller(gateway_id) if self.gateways else None
        if poller is not None and outcome == "ok":
            poller.nudge()

    # --- workers

    def want(self, uid: str, key: Key, writes: tuple[Write, ...]) -> None:
        """Hand the writes for a PodDNAT to the writers of their tables."""
        if self.gateways is None:
            return
        by_gateway: dict[str, tuple[Write, ...]] = {}
        for write in writes:
            by_gateway[write.gateway_id] = (*by_gateway.get(write.gateway_id, ()), write)
        before = self._wanted.get(uid, set())
        for gateway_id in before | by_gateway.keys():
            writer = self.gateways.writer(gateway_id)
            if writer is not None:
                writer.want(uid, key.namespace, by_gateway.get(gateway_id, ()))
        if by_gateway:
            self._wanted[uid] = set(by_gateway)
        else:
            self._wanted.pop(uid, None)

    def expedite(self, uid: str) -> None:
        """Rows of that PodDNAT stand in another pod's way."""
        key = self._world.key_of(uid)
        if key is None:
            if self.sweeper is not None:
                self.sweeper.expedite(uid)
            return
        for writer in self.gateways.writers() if self.gateways else ():
            writer.expedite(uid)
        self._add(key)

    def forget(self, uid: str) -> None:
        """The PodDNAT is gone."""
        self._wanted.pop(uid, None)
        for writer in self.gateways.writers() if self.gateways else ():
            writer.forget(uid)


def _is_alike(old: Node, new: Node) -> bool:
    return (old.ready, old.addresses, old.instance) == (new.ready, new.addresses, new.instance)
