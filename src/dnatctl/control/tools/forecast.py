"""What a controller would do now, found out by looking as one does, and doing nothing.

It is made of the controller's own parts, of which those that act are not started. It takes no
Lease, so it works beside a leader; what it would claim is taken in its own pool, so that no two
pods are promised the same endpoint.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace

from dnatctl.clock import Deadline
from dnatctl.cloud.api import CloudApi
from dnatctl.control.parts import Parts
from dnatctl.control.settings import LONGEST_CALL_S, Settings
from dnatctl.heartbeat import Heartbeats
from dnatctl.kube.client import KubeClient
from dnatctl.kube.errors import KubeError
from dnatctl.objects import Key
from dnatctl.observe.metrics import Metrics
from dnatctl.plan.plan import plan
from dnatctl.plan.values import CreateRecord, Plan, Reclaim, Seen
from dnatctl.status.foreseen import Action, Foreseen, of_plan

POLL_S = 0.05

NODES_S = 5.0
"""So long nodes are waited for: reading them may be forbidden, and much is known without them."""


class Forecast:
    """One look. Use as a context manager. `notes`: what was found wrong on the way."""

    def __init__(
        self, settings: Settings, client: KubeClient, cloud: CloudApi, version: str
    ) -> None:
        nowhere = {"metrics_address": "0", "health_address": "0", "status_address": "0"}
        self._stop = threading.Event()
        self._clock = client.clock
        self._parts = Parts(
            replace(settings, dry_run=True, **nowhere),  # type: ignore[arg-type]
            client,
            cloud,
            version,
            metrics=Metrics(),
            stop=self._stop,
            started=lambda _inherited, _age: None,
            lost=lambda: None,
            clock=self._clock,
            hearts=Heartbeats(self._clock),
        )

    def __enter__(self) -> Forecast:
        self._parts.spaces.begin()
        for informer in self._parts.informers:
            informer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._parts.gateways.stop()
        self._parts.gateways.join(Deadline(self._clock, LONGEST_CALL_S))
        for informer in self._parts.watching():
            informer.stop()

    def look(self, inherited: str, timeout: float) -> list[Foreseen]:
        """All that would be done. `inherited`: what the Lease says of endpoints that rest.

        Raises TimeoutError if not everything can be read in time, KubeError, and ValueError where
        a controller would not begin to work.
        """
        parts = self._parts
        self._until(parts.standing.synced, timeout, parts.standing.check_caches)
        with suppress(TimeoutError):
            self._until(parts.nodes.synced.is_set, min(NODES_S, timeout), str)
        parts.definition.look()
        _permit(parts.identity.learn)
        parts.views.inherit(inherited, 0.0)
        parts.orders.look()
        parts.gateways.start()
        self._until(parts.gateways.ready, timeout, self._why_unread)
        _permit(parts.identity.settle)
        with parts.views.lock:
            parts.views.pool.open()
        return [*self._of_orphans(), *self._of_pods()]

    def notes(self) -> list[str]:
        """What is wrong and stops nothing, for people."""
        return self._parts.standing.troubles()

    def _of_pods(self) -> Iterator[Foreseen]:
        for key in self._keys():
            try:
                decided = self._parts.lookout.look(key, self._decide)
            except KubeError as error:
                yield Foreseen(Action.NONE, str(key), "Unknown", str(error))
                continue
            if decided is not None:
                seen, made = decided
                yield from of_plan(key, seen.record, made)

    def _keys(self) -> list[Key]:
        """PodDNATs first, then pods in the order of their age: as they would have come."""
        records = sorted(record.key for record in self._parts.records.values())
        pods = sorted(self._parts.pods.values(), key=lambda pod: (pod.alive, pod.key))
        return list(dict.fromkeys((*records, *(pod.key for pod in pods))))

    def _decide(self, seen: Seen) -> tuple[Seen, Plan]:
        """Plan, and take what would be claimed out of the pool. The views are locked."""
        views = self._parts.views
        made = plan(seen, views.pool)
        if isinstance(made.step, CreateRecord | Reclaim):
            views.begin_claim(seen.key, made.step.spec, seen.record.spec if seen.record else None)
        return seen, made

    def _of_orphans(self) -> Iterator[Foreseen]:
        deletes = self._parts.policy().upsert_only is False
        sweeper = self._parts.sweeper
        for orphan in sweeper.find():
            if sweeper.is_had(orphan):
                continue  # the plan of its pod tells
            row = self._parts.views.table(orphan.gateway_id).row(orphan.entry_id)
            where = f"{row.entry.external_ip}:{row.entry.external_ports}" if row else "gone"
            text = f"{orphan.entry_id} on {orphan.gateway_id} ({where}): nothing claims it"
            action = Action.DELETE if deletes else Action.NONE
            yield Foreseen(action, "", "entry" if deletes else "Orphan", text)

    def _why_unread(self) -> str:
        gateways = self._parts.gateways
        return gateways.error or f"tables of {', '.join(gateways.unread())}"

    def _until(self, done: Callable[[], bool], timeout: float, why: Callable[[], str]) -> None:
        deadline = self._clock.monotonic() + timeout
        while not done():
            if self._clock.monotonic() > deadline:
                raise TimeoutError(f"not read in {timeout:g} s: {why()}")
            time.sleep(POLL_S)


def _permit(ask: Callable[[], str]) -> None:
    if why := ask():
        raise ValueError(f"a controller would not begin to work: {why}")
