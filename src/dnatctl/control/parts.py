"""The parts of one replica: made here and wired to each other, and started by nobody here."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from dnatctl.clock import Clock
from dnatctl.cloud.api import CloudApi
from dnatctl.cloud.eni import EniCache
from dnatctl.control.cluster.identity import Identity, Permission, teller
from dnatctl.control.gateway.gateways import Gateways
from dnatctl.control.gateway.sweeper import Sweeper
from dnatctl.control.people.board import Board
from dnatctl.control.people.doors import Doors
from dnatctl.control.people.inventory import Inventory, watch_counts
from dnatctl.control.people.ordering import OrderKeeper
from dnatctl.control.people.reload import Reloader
from dnatctl.control.people.report import Report
from dnatctl.control.settings import LONGEST_CALL_S, Settings
from dnatctl.control.sight.definition import DefinitionKeeper
from dnatctl.control.sight.look import Lookout
from dnatctl.control.sight.lookups import KubeLookups
from dnatctl.control.sight.resolver import EniResolver, forgetting
from dnatctl.control.sight.spaces import Spaces
from dnatctl.control.sight.tenancy import Nodes
from dnatctl.control.standing import Standing
from dnatctl.control.state.signals import Signals
from dnatctl.control.state.views import Views
from dnatctl.control.worker.reconciler import Reconciler
from dnatctl.control.worker.workers import Workers, pod_queue
from dnatctl.heartbeat import Heartbeats
from dnatctl.kube.addresses import Neighbours
from dnatctl.kube.client import KubeClient
from dnatctl.kube.events import EventRecorder
from dnatctl.kube.informer import Informer
from dnatctl.kube.lease import LeaseCallbacks, LeaseElector
from dnatctl.kube.ledger import Ledger
from dnatctl.kube.namespaces import Namespace, NamespaceSource
from dnatctl.kube.nodes import Node, NodeSource
from dnatctl.kube.orders import OrdersApi
from dnatctl.kube.poddnats import PodDNATApi, PodDNATSource, Served
from dnatctl.kube.pods import PodApi, PodSource
from dnatctl.kube.scrapers import Scrapers
from dnatctl.objects import Key, Pod, PodDNAT
from dnatctl.observe.metrics import CONTROLLER, Metrics, QueueObserver
from dnatctl.observe.pods import PodCollector
from dnatctl.observe.pool import PoolCollector
from dnatctl.observe.watches import WatchCollector
from dnatctl.plan.adoption import left_with
from dnatctl.plan.values import Policy
from dnatctl.table.marks import Marks

SOON_S = 0.5
"""What is due within this many seconds is as good as begun."""


class Parts:
    """Every part, by name. `started` and `lost` are called when the lease is taken and lost."""

    def __init__(
        self,
        settings: Settings,
        client: KubeClient,
        cloud: CloudApi,
        version: str,
        *,
        metrics: Metrics,
        stop: threading.Event,
        started: Callable[[str, float], None],
        lost: Callable[[], None],
        clock: Clock,
        hearts: Heartbeats,
    ) -> None:
        self.settings = settings
        self.client = client
        self.cloud = cloud
        self.metrics = metrics
        self.stop = stop
        self.clock = clock
        self.hearts = hearts
        self._make_voice(version)
        self._make_views()
        handover, noted = self.views.handover, self.signals.noted
        self._make_leader_parts(LeaseCallbacks(started, lost, handover, noted))
        self._make_doors()

    def may_write(self) -> bool:
        """Whether this replica leads, for long enough to send one call more."""
        return self.elector.is_leader(spare=LONGEST_CALL_S) and not self.settings.dry_run

    def watching(self) -> tuple[Informer[Any], ...]:
        """Every informer that was started, or is to be."""
        return (*self.informers, *self.spaces.informers())

    def busy(self) -> str:
        """What is being done now, or about to be; "" at rest."""
        if self.queue.unfinished_seconds() > 0 or len(self.queue) > 0:
            return "keys are in the queue or at work"
        if self.views.waits_for_note():
            return "quarantines are being noted for the next leader"
        if self.identity.parked.behind():
            return "parked claims are being noted"
        if self.enis.asking or self.enis.due_in() < SOON_S:
            return "network interfaces are being looked up"
        if self.events.pending > 0:
            return "events are being written"
        return self.gateways.busy()

    def _lease_uid(self) -> str:
        return self.elector.lease_uid()

    def _make_voice(self, version: str) -> None:
        """What tells people, and the definition of PodDNATs, that all of them depend on."""
        client, settings = self.client, self.settings
        self.events = EventRecorder(
            client,
            controller=CONTROLLER,
            instance=settings.identity,
            clock=self.clock,
            dnat_version=version,
            hearts=self.hearts,
        )
        tell = teller(self.events, settings.namespace, self._lease_uid)
        self.permission = Permission(self.stop, tell)
        self.writing = client.fenced(self.may_write)
        self.record_api = PodDNATApi(self.writing, Served(client, version))
        self.definition = DefinitionKeeper(
            client, self.record_api, self.metrics, self.permission.tell, self.clock
        )

    def _make_views(self) -> None:
        config, clock, hearts = self.settings.config, self.clock, self.hearts
        marks, offers = Marks(config.cluster_id), self.settings.offers()
        self.views = Views(marks, offers, config.quarantine, clock, self.settings.quota)
        self.views.went_along = self.definition.went_along
        self.enis = EniCache(clock, self._interface_found)
        self.neighbours = Neighbours()
        pods = PodSource(neighbours=self.neighbours, concerns=self.views.ips.is_stated)
        informer = partial(Informer, self.client, clock=clock, hearts=hearts)
        self.pods: Informer[Pod] = informer(pods)
        records = PodDNATSource(self.record_api.served)
        self.records: Informer[PodDNAT] = informer(records, unserved=self.definition.lost)
        self.nodes: Informer[Node] = informer(NodeSource())
        namespaces: Informer[Namespace] = informer(NamespaceSource())
        self.spaces = Spaces(namespaces, self.client, lambda: self.settings.config.namespaces)
        self.pods.on_change(forgetting(self.enis))
        self.informers = (self.pods, self.records, self.nodes)
        self.ledger = Ledger(self.writing, self.settings.namespace)
        self.identity = Identity(self.client, self.ledger, self.views, self.settings)
        self.queue = pod_queue(clock, QueueObserver(self.metrics), self.settings.workers)
        self.signals = Signals(self.views, self.queue, self.pods, self.records)
        # In this order: whoever is told of a node finds its addresses.
        self.node_index = Nodes(self.nodes, listed=self.nodes.synced.is_set)
        self.nodes.on_change(self.signals.node_changed)
        namespaces.on_change(self.signals.namespace_changed)

    def _make_leader_parts(self, callbacks: LeaseCallbacks) -> None:
        settings, clock, hearts = self.settings, self.clock, self.hearts
        self.gateways = Gateways(
            self.views,
            self.cloud,
            self.signals,
            self.metrics,
            fence=self.may_write,
            adopted=self.ledger.load,
            idle_s=settings.idle_s,
            longest_idle_s=settings.longest_idle_s,
            hearts=hearts,
        )
        self.records.on_change(self._record_changed)
        orders_api = OrdersApi(self.client, settings.namespace)
        resync = self.signals.resync
        self.orders = OrderKeeper(self.views, orders_api, hearts, resync)
        self.resolver = EniResolver(self.enis, self.cloud, hearts)
        pod_api = PodApi(self.writing)
        self.lookups = KubeLookups(self.client, pod_api, self.definition.doubt, self.records, clock)
        self.lookout = Lookout(
            self.views,
            self.pods,
            self.records,
            rules=settings.rules,
            policy=self.policy,
            nodes=self.node_index,
            spaces=self.spaces,
            lookups=self.lookups,
            gateways=lambda: self.gateways,
            enis=self.enis,
            neighbours=self.neighbours,
            clock=clock,
        )
        self.sweeper = Sweeper(
            self.views,
            self.gateways,
            self.metrics,
            ledger=self.ledger,
            known_uids=self.definition.known_uids,
            undefined=self.definition.undefined,
            pod=self.pods.get,
            left_with=lambda key: left_with(self.lookout.glance(key)),
            may_delete=settings.deletes,
            patience=settings.orphans,
            cycle_s=settings.sweep_s,
            tell=self.permission.tell,
            memory=self.identity,
            hearts=hearts,
        )
        self.elector = LeaseElector(
            self.client,
            Key(settings.namespace, CONTROLLER),
            settings.identity,
            callbacks,
            clock=clock,
            force=not settings.leader_elect,
            hearts=hearts,
        )
        self.reloader = Reloader(
            settings, self.views, self.gateways, self.signals, self.permission.tell, self.spaces
        )
        self.report = self._make_report(pod_api)
        reconciler = self._make_reconciler(self.lookout)
        self.definition.is_back = reconciler.try_again
        self.workers = Workers(
            self.queue,
            reconciler.reconcile,
            self.signals.successor,
            self.metrics,
            clock,
            settings.workers,
            hearts,
        )

    def _make_report(self, pod_api: PodApi) -> Report:
        return Report(
            self.metrics,
            self.events,
            pod_api,
            note_pod=self.pods.note_written,
            telling=self.signals.telling,
            clock=self.clock,
            publish=lambda: self.settings.config.publish,
        )

    def _make_reconciler(self, lookout: Lookout) -> Reconciler:
        settings = self.settings
        return Reconciler(
            lookout,
            self.views,
            self.records,
            self.record_api,
            ledger=self.ledger,
            hands=self.gateways,
            signals=self.signals,
            reporter=self.report,
            note_soon=self.elector.renew_soon,
            dry_run=settings.dry_run,
            changes_a_minute=settings.changes_a_minute,
            keeper=self.identity.parked,
        )

    def _make_doors(self) -> None:
        self.standing = Standing(
            self.settings.identity,
            self.pods,
            self.records,
            self.stop,
            self.clock,
            obstacle=self._obstacle,
            notes=self._notes,
            holder=self.elector.leader,
            spaces=self.spaces.check,
        )
        self.board = Board(
            self.views,
            self.gateways,
            self.pods,
            self.records,
            self.settings,
            standing=self.standing,
            told=self.report.told,
            labels=self.spaces.labels,
        )
        self._register_gauges()
        live = {"threads": self.hearts.complaint}
        caches, pool = self.standing.check_caches, self.standing.check_pool
        checks = {
            "healthz": live,
            "livez": live,
            "readyz": {
                **live,
                "caches": caches,
                "pool": pool,
                "cloud": self.gateways.fleet.cut_off,
            },
        }
        self.doors = Doors(
            self.settings,
            self.metrics,
            self.hearts,
            checks=checks,
            notes=self.standing.notes,
            status=self.board.page,
            scrapers=Scrapers(self.client, self.clock),
        )

    def _register_gauges(self) -> None:
        registry = self.metrics.registry
        self.metrics.follow(self.queue)
        self.metrics.events_dropped.set_function(lambda: self.events.dropped)
        self.metrics.threads_late.set_function(lambda: len(self.hearts.in_trouble()))
        inventory = Inventory(self.views, self.gateways, self.settings)
        registry.register(PoolCollector(inventory.ips, inventory.tables, inventory.quotas))
        registry.register(WatchCollector(lambda: watch_counts(self.watching(), self.clock)))
        registry.register(PodCollector(self.board.pods))

    def _record_changed(self, old: PodDNAT | None, new: PodDNAT | None) -> None:
        self.gateways.record_changed(old, new, lost=self.records.went_back)

    def _interface_found(self, ip: str) -> None:
        self.signals.interface_found(ip)  # which is made later than the cache

    def _obstacle(self) -> str:
        if self.permission.refused:
            return self.permission.refused
        if self.gateways.error:
            return f"gateways: {self.gateways.error}"
        return f"tables not read yet: {', '.join(self.gateways.unread())}"

    def _notes(self) -> list[str]:
        told = (
            self.reloader,
            self.orders,
            self.client.clock,
            self.definition,
            self.lookups,
            self.sweeper,
            self.gateways,
            self.resolver,
            self.report,
        )
        watches = [note for each in self.watching() for note in each.notes()]
        return [*watches, *(note for each in told for note in each.notes())]

    def policy(self) -> Policy:
        """What decisions rest on now, besides what is seen."""
        return self.settings.policy(
            unmodifiable=self.views.unmodifiable.at(self.client.clock.monotonic()),
            keeps_conditions=not self.record_api.prunes_conditions,
            migrating_since=self.identity.migrating_since(),
        )
