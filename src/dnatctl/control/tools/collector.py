"""Garbage collection by hand: find orphans, show them, and delete them when told to.

It writes to tables with the writers that the controller uses, and only while it holds the
controller's Lease: a table has one writer. What it frees rests for the quarantine, as what the
controller frees does: the Lease tells the next leader.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial
from math import ceil

from dnatctl.clock import Clock, Deadline, SystemClock
from dnatctl.cloud.api import CloudApi
from dnatctl.control.cluster.identity import Identity
from dnatctl.control.gateway.gateways import Gateways
from dnatctl.control.gateway.sweeper import Sweeper
from dnatctl.control.settings import LONGEST_CALL_S, Settings
from dnatctl.control.state.queue import WorkQueue
from dnatctl.control.state.signals import Signals
from dnatctl.control.state.views import Views
from dnatctl.kube.cache import Cache
from dnatctl.kube.client import KubeClient
from dnatctl.kube.lease import LeaseCallbacks, LeaseElector
from dnatctl.kube.ledger import Ledger
from dnatctl.kube.listing import read_all
from dnatctl.kube.poddnats import Served, known_uids
from dnatctl.kube.pods import PodSource
from dnatctl.model import ForwardEntry
from dnatctl.objects import Key, Pod, PodRef
from dnatctl.observe.metrics import CONTROLLER, Metrics
from dnatctl.plan.exposure import read_exposure
from dnatctl.plan.regain import is_left_to
from dnatctl.pool.handover import decode
from dnatctl.table.marks import Marks
from dnatctl.table.orphans import Orphan
from dnatctl.table.view import Table

POLL_S = 0.1


class Collector:
    """One garbage collection. Use as a context manager.

    `of`: the tag of another cluster with the same cluster ID, that is gone, in place of this one's.
    `everything`: rows that a PodDNAT claims as well.
    Raises KubeError and, where it is not known which cluster this is for certain, ValueError.
    """

    def __init__(
        self,
        settings: Settings,
        client: KubeClient,
        cloud: CloudApi,
        version: str,
        clock: Clock | None = None,
        of: str = "",
        *,
        everything: bool = False,
    ) -> None:
        self._clock = clock or SystemClock()
        config = settings.config
        self._client, self._rules = client, settings.rules()
        self._known_uids = partial(known_uids, client, Served(client, version))
        self._views = Views(
            Marks(config.cluster_id), settings.offers(), config.quarantine, self._clock
        )
        metrics, ledger = Metrics(), Ledger(client, settings.namespace)
        queue: WorkQueue[PodRef] = WorkQueue(clock=self._clock)
        signals = Signals(self._views, queue, Cache(), Cache())
        identity = Identity(client, ledger, self._views, replace(settings, dry_run=True))
        if problem := identity.learn():
            raise ValueError(problem)
        self._of = of
        self._everything = everything
        if of:
            self._views.identify(of)
        self._leading, self._lost = threading.Event(), threading.Event()
        self._noted = ""
        """What the Lease says to the next leader, as far as is known."""
        self._elector = LeaseElector(
            client,
            Key(settings.namespace, CONTROLLER),
            settings.identity,
            LeaseCallbacks(self._take_over, self._lost.set, self._views.handover, self._note),
            clock=self._clock,
        )
        self._gateways = Gateways(
            self._views,
            cloud,
            signals,
            metrics,
            fence=lambda: self._elector.is_leader(spare=LONGEST_CALL_S),
            adopted=ledger.load,
            idle_s=settings.idle_s,
        )
        self._sweeper = Sweeper(
            self._views,
            self._gateways,
            metrics,
            ledger=ledger,
            known_uids=self._known_uids,
            may_delete=lambda: True,
        )

    def __enter__(self) -> Collector:
        self._gateways.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._gateways.stop()
        self._gateways.join(Deadline(self._clock, LONGEST_CALL_S))
        self._elector.stop()

    def find(self, timeout: float) -> list[tuple[Orphan, ForwardEntry]]:
        """Rows with our mark, seen in two readings, that no PodDNAT claims.

        Raises TimeoutError if the tables cannot be read in time, KubeError and ValueError if it is
        not known for sure which PodDNATs there are.
        """
        self._until(self._gateways.ready, timeout, self._why_unread)
        first = {orphan.entry_id for orphan in self._unclaimed()}
        generations = {g: table.generation for g, table in self._views.tables.items()}
        for gateway_id in generations:
            if (poller := self._gateways.fleet.poller(gateway_id)) is not None:
                poller.read_soon()
        self._until(lambda: self._read_since(generations), timeout, self._why_unread)
        return [
            (orphan, row.entry)
            for orphan in self._unclaimed()
            if orphan.entry_id in first
            and (row := self._views.table(orphan.gateway_id).row(orphan.entry_id)) is not None
        ]

    def had(self, found: Collection[tuple[Orphan, ForwardEntry]]) -> dict[str, Key]:
        """Of these rows, by ID, the ones that lead to the living pod that they were made for, and
        that pod: it has lost its PodDNAT, and whoever is connected to it comes by that row.

        Asks the API server for all pods. Raises KubeError, and ValueError where one cannot be read.
        """
        pods, unreadable = read_all(self._client, PodSource())
        if unreadable:
            names = ", ".join(unreadable)
            raise ValueError(f"any row may lead to pods that cannot be read: {names}")
        at: dict[str, list[Pod]] = defaultdict(list)
        for pod in pods:
            at[pod.ipv4].append(pod)
        return {
            row.entry_id: pod.key
            for _, row in found
            for pod in at.get(row.internal_ip, ())
            if self._is_left_to(pod, row)
        }

    def _is_left_to(self, pod: Pod, row: ForwardEntry) -> bool:
        exposure = read_exposure(pod, self._rules)
        return is_left_to(pod.key, exposure, row, self._views.marks, self._views.adopted)

    def table(self, gateway_id: str) -> Table | None:
        """What is known of a gateway's table; None where the configuration has no such gateway."""
        return self._views.tables.get(gateway_id)

    def lead(self, timeout: float) -> str:
        """Take the controller's Lease; returns who holds it if that did not succeed in time."""
        self._elector.start()
        try:
            self._until(self._leading.is_set, timeout, str)
        except TimeoutError:
            return self._elector.leader() or "nobody"
        return ""

    def delete(self, orphans: list[Orphan], patience: float) -> list[tuple[Orphan, str]]:
        """Delete those that are still orphans now; returns those that are left in the end, and why.

        Gives up where none has gone for `patience` seconds.
        """
        still = {orphan.entry_id for orphan in self._unclaimed()}
        self._sweeper.sweep_out(orphan for orphan in orphans if orphan.entry_id in still)
        with contextlib.suppress(TimeoutError):
            while left := len(self._left(orphans)):
                self._until(partial(self._fewer, orphans, left), patience, str)
        return [(orphan, self._why_left(orphan)) for orphan in self._left(orphans)]

    def hand_over(self, timeout: float) -> str:
        """Have the Lease say which endpoints rest; if it does not, what to do about that.

        To be called before this leader goes: what it frees could be another pod's at once.
        """
        self._elector.renew_soon()
        try:
            self._until(self._is_noted, timeout, str)
        except TimeoutError:
            seconds = ceil(max(self._views.quarantined().values(), default=0.0))
            return (
                "the Lease does not say which endpoints rest: start the controller "
                f"{seconds} s from now at the earliest"
            )
        return ""

    def _is_noted(self) -> bool:
        return all(map(decode(self._noted).covers, self._views.quarantined()))

    def _fewer(self, orphans: list[Orphan], than: int) -> bool:
        return len(self._left(orphans)) < than

    def _left(self, orphans: list[Orphan]) -> list[Orphan]:
        return [o for o in orphans if self._views.table(o.gateway_id).row(o.entry_id)]

    def _why_left(self, orphan: Orphan) -> str:
        writer = self._gateways.fleet.writer(orphan.gateway_id)
        if writer is None:
            return "its gateway cannot be written to"
        known = writer.hindrances(orphan.uid).get(orphan.entry_id, "")
        return known or "; ".join(writer.complaints()) or "not deleted in time"

    def _take_over(self, inherited: str, age: float) -> None:
        """What the last leader left to the next one rests on, beside what is freed here."""
        self._views.inherit(inherited, age)
        self._leading.set()

    def _note(self, stored: str) -> None:
        self._noted = stored

    def _unclaimed(self) -> list[Orphan]:
        found = self._sweeper.find()
        if self._of:  # what has no tag may be anybody's
            found = [orphan for orphan in found if orphan.proven]
        known = self._known_uids() if found and not self._everything else set()
        return [orphan for orphan in found if orphan.uid not in known]

    def _read_since(self, generations: dict[str, int]) -> bool:
        return all(
            self._views.table(gateway_id).generation > before
            for gateway_id, before in generations.items()
            if self._gateways.fleet.poller(gateway_id) is not None
        )

    def _why_unread(self) -> str:
        return self._gateways.error or f"not read: {', '.join(self._gateways.unread())}"

    def _until(self, done: Callable[[], bool], timeout: float, why: Callable[[], str]) -> None:
        deadline = self._clock.monotonic() + timeout
        while not done():
            if self._clock.monotonic() > deadline or self._lost.is_set():
                raise TimeoutError(why())
            time.sleep(POLL_S)
