"""The sweeper: finds orphans and has them deleted, slowly and only when sure."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable

import structlog

from dnatctl.control.gateways import Gateways
from dnatctl.control.world import World
from dnatctl.observe.metrics import Metrics
from dnatctl.plan.orphans import USUAL, Orphan, Patience, Sightings
from dnatctl.plan.values import DeleteRow

log = structlog.get_logger(__name__)

CYCLE_S = 5.0


class Sweeper:
    """Looks for orphans in the views of the tables every `cycle_s` seconds.

    `known_uids` asks the API server's majority for the UIDs of all PodDNATs there are; it may raise
    anything, and then nothing is deleted. With `delete` False orphans are only counted.
    """

    def __init__(
        self,
        world: World,
        gateways: Gateways,
        metrics: Metrics,
        *,
        known_uids: Callable[[], set[str]],
        delete: bool,
        patience: Patience = USUAL,
        cycle_s: float = CYCLE_S,
    ) -> None:
        self._world = world
        self._gateways = gateways
        self._metrics = metrics
        self._known_uids = known_uids
        self._delete = delete
        self._cycle_s = cycle_s
        self._lock = threading.Lock()
        self._sightings = Sightings(patience)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dnatctl-sweeper", daemon=True)

    def start(self) -> None:
        """Start looking."""
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Stop looking."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def expedite(self, uid: str) -> None:
        """Rows of that PodDNAT, if orphaned, stand in a living pod's way."""
        with self._lock:
            self._sightings.expedite(uid)

    def _run(self) -> None:
        while not self._stopping.wait(self._cycle_s):
            try:
                self.sweep()
            except Exception:
                log.exception("sweeping failed")

    def sweep(self) -> None:
        """One cycle."""
        now = self._world.clock.monotonic()
        orphans = self.find()
        with self._lock:
            self._sightings.update(orphans, now)
            due = self._sightings.due(now) if self._delete else []
        if not due:
            return
        known = self._known_uids()
        self.sweep_out(orphan for orphan in due if orphan.uid not in known)

    def sweep_out(self, orphans: Iterable[Orphan]) -> None:
        """Have these rows deleted."""
        by_owner: dict[tuple[str, str], list[Orphan]] = defaultdict(list)
        for orphan in orphans:
            by_owner[orphan.gateway_id, orphan.uid].append(orphan)
        for (gateway_id, uid), rows in by_owner.items():
            writer = self._gateways.writer(gateway_id)
            if writer is None:
                continue
            ids = [row.entry_id for row in rows]
            log.warning("deleting orphans", gateway=gateway_id, uid=uid, forward_entry_ids=ids)
            self._metrics.orphans_deleted.inc(len(rows))
            writes = tuple(DeleteRow(gateway_id, entry_id) for entry_id in ids)
            writer.want(uid, "", writes, orphan=True)

    def find(self) -> list[Orphan]:
        """All orphans in the tables as they were last read."""
        orphans = []
        with self._world.lock:
            for gateway_id, table in self._world.tables.items():
                found = [
                    Orphan(gateway_id, row.entry.entry_id, uid, table.generation)
                    for uid in table.owners()
                    if self._world.key_of(uid) is None
                    for row in table.owned_by(uid)
                ]
                self._world.pool.count_orphans(gateway_id, len(found))
                orphans += found
        return orphans
