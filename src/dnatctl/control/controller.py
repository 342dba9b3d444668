"""The composition root: makes the parts, starts them in order, stops them in order.

Every replica keeps the Kubernetes views fresh and stands by. Only the leader reads tables, decides
and writes. Start: caches, lease, gateways, tables; then, and only then, workers. Stop: workers,
writers, events; the lease is given back last, when nothing can be written any more.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from functools import partial

import structlog

from dnatctl.clock import Clock, SystemClock
from dnatctl.cloud.api import CloudApi
from dnatctl.cloud.eni import EniCache
from dnatctl.control.deadline import Deadline
from dnatctl.control.definition import DefinitionKeeper
from dnatctl.control.gateway.gateways import Gateways
from dnatctl.control.gateway.sweeper import Sweeper
from dnatctl.control.identity import Identity, Permission, teller
from dnatctl.control.inventory import Inventory, watch_counts
from dnatctl.control.look import Lookout
from dnatctl.control.lookups import KubeLookups
from dnatctl.control.reconciler import Reconciler
from dnatctl.control.report import Report
from dnatctl.control.resolver import EniResolver, forgetting
from dnatctl.control.settings import LONGEST_CALL_S, Settings
from dnatctl.control.signals import PULSE_S, Signals
from dnatctl.control.tenancy import Nodes
from dnatctl.control.views import Views
from dnatctl.control.watchdog import Watchdog
from dnatctl.control.workers import Workers, pod_queue
from dnatctl.heartbeat import CALL_S, Heartbeats
from dnatctl.kube.addresses import Neighbours
from dnatctl.kube.client import KubeClient
from dnatctl.kube.events import EventRecorder
from dnatctl.kube.informer import Informer
from dnatctl.kube.lease import LeaseCallbacks, LeaseElector
from dnatctl.kube.ledger import Ledger
from dnatctl.kube.nodes import Node, NodeSource
from dnatctl.kube.poddnats import PodDNATApi, PodDNATSource, Served, known_uids
from dnatctl.kube.pods import PodApi, PodSource
from dnatctl.objects import Key, Pod, PodDNAT
from dnatctl.observe.health import HealthServer
from dnatctl.observe.metrics import CONTROLLER, Metrics, QueueObserver
from dnatctl.observe.pool import PoolCollector
from dnatctl.observe.watches import WatchCollector
from dnatctl.plan.values import Policy
from dnatctl.table.marks import Marks

log = structlog.get_logger(__name__)

DRAIN_S = 12.0
"""Longest wait for work in hand at the end: a little more than the longest call."""


class Controller:
    """One replica. `on_lost` is called, at once, when the lease is lost."""

    def __init__(
        self,
        settings: Settings,
        client: KubeClient,
        cloud: CloudApi,
        version: str,
        *,
        metrics: Metrics,
        stop: threading.Event,
        on_lost: Callable[[], None],
        clock: Clock | None = None,
        hearts: Heartbeats | None = None,
    ) -> None:
        self.failure = ""
        """Which thread has died or hangs, and so has set `stop`; "" if none."""
        self._settings = settings
        self._client = client
        self._cloud = cloud
        self._metrics = metrics
        self._stop = stop
        self._on_lost = on_lost
        self._clock = clock or SystemClock()
        self._hearts = hearts or Heartbeats(self._clock)
        self._watchdog = Watchdog(self._hearts, self._clock, self._failed)
        self._leading = threading.Event()
        self._working = False
        self._make_voice(version)
        self._make_views()
        self._make_leader_parts()
        self._make_server()

    # --- parts

    def _make_voice(self, version: str) -> None:
        """What tells people, and the definition of PodDNATs, that all of them depend on."""
        client, settings = self._client, self._settings
        self._events = EventRecorder(
            client,
            controller=CONTROLLER,
            instance=settings.identity,
            clock=self._clock,
            dnat_version=version,
            hearts=self._hearts,
        )
        self._permission = Permission(self._stop, teller(self._events, settings.namespace))
        self._writing = client.fenced(self._may_write)
        self._record_api = PodDNATApi(self._writing, Served(client, version))
        self._definition = DefinitionKeeper(
            client, self._record_api, self._metrics, self._permission.tell, self._clock
        )

    def _make_views(self) -> None:
        config, clock, hearts = self._settings.config, self._clock, self._hearts
        marks, offers = Marks(config.cluster_id), self._settings.offers()
        self._views = Views(marks, offers, config.quarantine, clock, config.namespaces.limit)
        self._enis = EniCache(clock, self._eni_found)
        self._neighbours = Neighbours()
        pods = PodSource(neighbours=self._neighbours, concerns=self._views.is_stated)
        informer = partial(Informer, self._client, clock=clock, hearts=hearts)
        self._pods: Informer[Pod] = informer(pods)
        records = PodDNATSource(self._record_api.served)
        self._records: Informer[PodDNAT] = informer(records, unserved=self._definition.lost)
        self._nodes: Informer[Node] = informer(NodeSource())
        self._pods.on_change(forgetting(self._enis))
        self._informers = (self._pods, self._records, self._nodes)
        self._ledger = Ledger(self._writing, self._settings.namespace)
        self._identity = Identity(self._client, self._ledger, self._views, self._settings)
        self._queue = pod_queue(clock, QueueObserver(self._metrics))
        self._signals = Signals(self._views, self._queue, self._pods, self._records)
        # In this order: whoever is told of a node finds its addresses.
        self._node_index = Nodes(self._nodes, listed=self._nodes.synced.is_set)
        self._nodes.on_change(self._signals.node_changed)

    def _make_leader_parts(self) -> None:
        settings, clock, hearts = self._settings, self._clock, self._hearts
        self._gateways = Gateways(
            self._views,
            self._cloud,
            self._signals,
            self._metrics,
            fence=self._may_write,
            adopted=self._ledger.load,
            idle_s=settings.idle_s,
            hearts=hearts,
        )
        self._records.on_change(self._gateways.record_changed)
        self._resolver = EniResolver(self._enis, self._cloud, self._stop, hearts)
        pod_api = PodApi(self._writing)
        self._lookups = KubeLookups(self._client, pod_api, self._definition.doubt, self._records)
        lookout = Lookout(
            self._views,
            self._pods,
            self._records,
            rules=settings.rules(),
            policy=self._policy,
            nodes=self._node_index,
            lookups=self._lookups,
            gateways=lambda: self._gateways,
            enis=self._enis,
            neighbours=self._neighbours,
            clock=clock,
        )
        self._sweeper = Sweeper(
            self._views,
            self._gateways,
            self._metrics,
            ledger=self._ledger,
            known_uids=partial(known_uids, self._client, self._record_api.served),
            delete=not (self._policy().upsert_only or settings.dry_run),
            patience=settings.orphans,
            cycle_s=settings.sweep_s,
            tell=self._permission.tell,
            memory=self._identity,
            hearts=hearts,
        )
        self._elector = LeaseElector(
            self._client,
            Key(settings.namespace, CONTROLLER),
            settings.identity,
            LeaseCallbacks(self._started, self._lost, self._views.handover, self._signals.noted),
            clock=clock,
            force=not settings.leader_elect,
            hearts=hearts,
        )
        self._workers = Workers(
            self._queue,
            self._make_reconciler(lookout, pod_api).reconcile,
            self._signals.successor,
            self._metrics,
            clock,
            settings.workers,
            hearts,
        )

    def _make_reconciler(self, lookout: Lookout, pod_api: PodApi) -> Reconciler:
        settings = self._settings
        return Reconciler(
            lookout,
            self._views,
            self._records,
            self._record_api,
            ledger=self._ledger,
            hands=self._gateways,
            signals=self._signals,
            reporter=Report(
                self._metrics,
                self._events,
                pod_api,
                note_pod=self._pods.note_written,
                clock=self._clock,
                condition=settings.config.publish.condition,
                annotation=settings.config.publish.annotation,
            ),
            note_soon=self._elector.renew_soon,
            dry_run=settings.dry_run,
            changes_a_minute=settings.changes_a_minute,
            keeper=self._identity.parked,
        )

    def _make_server(self) -> None:
        registry = self._metrics.registry
        self._metrics.follow(self._queue)
        self._metrics.events_dropped.set_function(lambda: self._events.dropped)
        inventory = Inventory(self._views, self._gateways, self._settings.config.namespaces)
        registry.register(PoolCollector(inventory.ips, inventory.tables, inventory.quotas))
        counts = partial(watch_counts, self._informers, self._clock)
        registry.register(WatchCollector(counts))
        live = {"threads": self._hearts.complaint}
        ready = {**live, "caches": self._check_caches, "pool": self._check_pool}
        checks = {"healthz": live, "livez": live, "readyz": ready}
        health, scraped = self._settings.health_address, self._settings.metrics_address
        self._servers = [
            HealthServer(health, checks, notes=self._notes, hearts=self._hearts),
            HealthServer(scraped, {}, registry, hearts=self._hearts),
        ]
        self._metrics.threads_late.set_function(lambda: len(self._hearts.in_trouble()))
        self._metrics.http_connections_dropped.read = lambda: sum(s.dropped for s in self._servers)

    # --- life

    def run(self) -> None:
        """Run until told to stop. Returns when everything has stopped."""
        self._main = self._hearts.of_this_thread("dnatctl-main")
        self._watchdog.start()
        for server in self._servers:
            server.start()
        health, metrics = (server.port for server in self._servers)
        log.info("serving", health_port=health, metrics_port=metrics)
        for informer in self._informers:
            informer.start()
        self._events.start()
        try:
            if self._wait_for(self._synced):
                self._lead_when_elected()
        finally:
            self._shut_down()

    def _lead_when_elected(self) -> None:
        # What is held now stays: collecting it again and again costs more than it ever frees.
        gc.collect()
        gc.freeze()
        if self._settings.dry_run:
            self._started("", 0.0)
        else:
            self._elector.start()
        if not self._wait_for(self._leading.is_set):
            return
        self._begin_leading()
        resync = self._settings.config.resync
        while not self._pause(min(PULSE_S, resync), "waits for the next pulse"):
            self._signals.pulse(resync)
            self._definition.pulse(resync)

    def _begin_leading(self) -> None:
        # The only replica has listed everything after the last one's end.
        if self._settings.leader_elect and not self._catch_up():
            return
        self._main.by(CALL_S, "looks at the definition of PodDNATs")
        self._definition.look()
        if not self._permitted(self._identity.learn):
            return
        self._signals.begin()
        self._gateways.start()
        self._resolver.start()
        if self._wait_for(self._gateways.ready) and self._permitted(self._identity.settle):
            with self._views.lock:
                self._views.pool.open()
            self._working = True
            log.info("working", pods=len(self._pods), records=len(self._records))
            self._workers.start()
            self._sweeper.start()

    def _catch_up(self) -> bool:
        """Wait, however long a large cluster takes, until the caches have what the last leader
        wrote, claims above all; False to stop."""
        pending = [self._pods.relist(), self._records.relist()]
        return self._wait_for(lambda: not [is_done for is_done in pending if not is_done()])

    def _shut_down(self) -> None:
        log.info("stopping")
        self._main.end()  # from here on the process has so much time, and is ended after that
        self._watchdog.stop()
        drain = Deadline(self._clock, DRAIN_S)
        self._working = False
        self._queue.shutdown()
        self._gateways.stop_writers()
        idle = self._workers.join(drain)
        self._sweeper.stop(drain.left)
        quiet = self._gateways.stop(drain) and idle
        self._events.stop(2.0)
        for informer in self._informers:
            informer.stop()
        if not self._settings.dry_run:
            # A write that is still under way must not meet another leader's: let the Lease expire.
            self._elector.stop(release=quiet)
        for server in self._servers:
            server.stop()
        log.info("stopped")

    def _wait_for(self, condition: Callable[[], bool]) -> bool:
        while not condition():
            if self._pause(0.02, "waits for caches, the Lease or tables"):
                return False
        return not self._stop.is_set()

    def _pause(self, seconds: float, doing: str) -> bool:
        self._main.by(seconds, doing)
        return self._stop.wait(seconds)

    def _permitted(self, ask: Callable[[], str]) -> bool:
        self._main.end()  # it may be long in coming
        return self._permission.wait(ask)

    def _synced(self) -> bool:
        return self._pods.synced.is_set() and self._records.synced.is_set()

    # --- leading

    def _started(self, inherited: str, age: float) -> None:
        log.info("leading", identity=self._settings.identity)
        self._views.inherit(inherited, age)
        self._metrics.leading.labels(CONTROLLER).set(1)
        self._leading.set()

    def _lost(self) -> None:
        self._metrics.leading.labels(CONTROLLER).set(0)
        log.error("leader election lost")
        self._on_lost()

    def _may_write(self) -> bool:
        return self._elector.is_leader(spare=LONGEST_CALL_S) and not self._settings.dry_run

    def _failed(self, what: str) -> None:
        log.error("ending, as a part of the process does not work", failure=what)
        self.failure = what
        self._stop.set()

    # --- small parts

    def _policy(self) -> Policy:
        return self._settings.policy(
            can_modify=self._views.can_modify,
            keeps_conditions=not self._record_api.prunes_conditions,
            migrating_since=self._identity.migrating_since(),
        )

    def _eni_found(self, ip: str) -> None:
        self._signals.interface_found(ip)

    # --- health

    def _check_caches(self) -> str:
        return "" if self._synced() else "pods or PodDNATs have not been listed yet"

    def _check_pool(self) -> str:
        if self._stop.is_set():
            return "stopping"
        if not self._leading.is_set() or self._working:
            return ""
        if self._permission.refused:
            return self._permission.refused
        if self._gateways.error:
            return f"gateways: {self._gateways.error}"
        return f"tables not read yet: {', '.join(self._gateways.unread())}"

    def _notes(self) -> list[str]:
        role = "leader" if self._leading.is_set() else "standby"
        of_the_cluster = (*self._definition.notes(), *self._lookups.notes())
        return [f"[ ]role {role}", *of_the_cluster, *self._sweeper.notes(), *self._gateways.notes()]
