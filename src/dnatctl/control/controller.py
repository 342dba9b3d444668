"""The life of one replica: its parts are started in order, and stopped in order.

Every replica keeps the Kubernetes views fresh and stands by. Only the leader reads tables, decides
and writes. Start: caches, lease, gateways, the first table; then, and only then, workers. Stop:
workers, writers, events; the lease is given back when nothing can be written any more, and does not
wait for what is only read.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable

import structlog

from dnatctl.clock import Clock, Deadline
from dnatctl.cloud.api import CloudApi
from dnatctl.control.parts import Parts
from dnatctl.control.people.reload import Reloader
from dnatctl.control.settings import Settings
from dnatctl.control.state.signals import PULSE_S
from dnatctl.control.watchdog import Watchdog
from dnatctl.heartbeat import CALL_S, Heartbeats
from dnatctl.kube.client import KubeClient
from dnatctl.observe.metrics import CONTROLLER, Metrics
from dnatctl.orders import Orders

log = structlog.get_logger(__name__)

STAND_BY_S = 0.25
"""How often a replica that stands by looks whether it is to stop."""

ASK_AGAIN_S = 0.5
"""How soon is asked again for what has to be known before anything is written."""

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
        self._metrics = metrics
        self._stop = stop
        self._on_lost = on_lost
        self._clock = clock or client.clock
        self._hearts = hearts or Heartbeats(self._clock)
        self._watchdog = Watchdog(self._hearts, self._clock, self._failed)
        self.parts = Parts(
            settings,
            client,
            cloud,
            version,
            metrics=metrics,
            stop=stop,
            started=self._started,
            lost=self._lost,
            clock=self._clock,
            hearts=self._hearts,
        )
        self._standing = self.parts.standing

    @property
    def reloader(self) -> Reloader:
        """Whom to tell that the configuration file has changed."""
        return self.parts.reloader

    def follow_orders(self, told: Callable[[Orders], None]) -> None:
        """Have somebody told of the orders, each time that there are others."""
        self.parts.orders.follow(told)

    # --- life

    def run(self) -> None:
        """Run until told to stop. Returns when everything has stopped."""
        self._main = self._hearts.of_this_thread("dnatctl-main")
        self._watchdog.start()
        self.parts.doors.start()
        self.parts.spaces.begin()
        for informer in self.parts.informers:
            informer.start()
        self.parts.events.start()
        try:
            if self._wait_for(self._standing.synced):
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
            self.parts.elector.start()
        if not self._stand_by():
            return
        self._begin_leading()
        resync = self._settings.config.resync
        while not self._pause(min(PULSE_S, resync), "waits for the next pulse"):
            self.parts.signals.pulse(resync)
            self.parts.definition.pulse(resync)
            self.parts.identity.pulse()

    def _begin_leading(self) -> None:
        # The only replica has listed everything after the last one's end.
        if self._settings.leader_elect and not self._catch_up():
            return
        self._main.by(CALL_S, "looks at the definition of PodDNATs")
        self.parts.definition.look()
        if not self._permitted(self.parts.identity.learn):
            return
        self.parts.signals.begin()
        self.parts.gateways.start()
        self.parts.resolver.start()
        if not self._wait_for_orders():
            return
        self.parts.orders.start()
        identity, views = self.parts.identity, self.parts.views
        # Each gateway serves as soon as its own table is read; a new cluster looks at all of them.
        gateways = self.parts.gateways
        begun = gateways.begun if identity.settled else gateways.ready
        if self._wait_for(begun) and self._permitted(identity.settle):
            with views.lock:
                views.pool.open()
            self._standing.working = True
            log.info("working", pods=len(self.parts.pods), records=len(self.parts.records))
            self.parts.workers.start()
            self.parts.sweeper.start()

    def _wait_for_orders(self) -> bool:
        """Whatever is paused is not touched because it could not be read that it is."""
        while not self._stop.is_set():
            self._main.by(CALL_S, "reads orders")
            if self.parts.orders.look():
                return True
            self._pause(ASK_AGAIN_S, "waits to read what is ordered")
        return False

    def _catch_up(self) -> bool:
        """Wait, however long a large cluster takes, until the caches have what the last leader
        wrote, claims above all; False to stop."""
        pending = [self.parts.pods.relist(), self.parts.records.relist()]
        return self._wait_for(lambda: not [is_done for is_done in pending if not is_done()])

    def _shut_down(self) -> None:
        log.info("stopping")
        self._main.end()  # from here on the process has so much time, and is ended after that
        self._watchdog.stop()
        drain = Deadline(self._clock, DRAIN_S)
        self._standing.working = False
        self.parts.queue.shutdown()
        self.parts.gateways.stop()
        self.parts.sweeper.stop()
        self.parts.resolver.stop()
        self.parts.orders.stop()
        quiet = self._wait_for_writes(drain)
        self.parts.events.stop(2.0)
        for informer in self.parts.watching():
            informer.stop()
        if not self._settings.dry_run:
            # A write that is still under way must not meet another leader's: let the Lease expire.
            self.parts.elector.stop(release=quiet)
            self._metrics.leading.labels(CONTROLLER).set(0)
            self._standing.leading.clear()
        self.parts.gateways.join(drain)
        self.parts.doors.stop()
        log.info("stopped")

    def _wait_for_writes(self, drain: Deadline) -> bool:
        """Whether those who write, to a table or to the API server, have all come to their end."""
        idle = self.parts.workers.join(drain)
        swept = self.parts.sweeper.join(drain.left)
        return self.parts.gateways.fleet.join_writers(drain) and idle and swept

    def _stand_by(self) -> bool:
        """Wait to lead, for weeks perhaps; False to stop."""
        while not self._standing.leading.wait(STAND_BY_S):
            self._main.by(STAND_BY_S, "stands by")
            if self._stop.is_set():
                return False
        return not self._stop.is_set()

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
        return self.parts.permission.wait(ask) and not self._stop.is_set()

    # --- leading

    def _started(self, inherited: str, age: float) -> None:
        if self._settings.dry_run:
            log.info("dry run: only logs what it would do", identity=self._settings.identity)
        else:
            log.info("leading", identity=self._settings.identity)
        self.parts.views.inherit(inherited, age)
        self._metrics.leading.labels(CONTROLLER).set(1)
        self._standing.led()

    def _lost(self) -> None:
        self._metrics.leading.labels(CONTROLLER).set(0)
        log.error("leader election lost")
        self._on_lost()

    def _failed(self, what: str) -> None:
        log.error("ending, as a part of the process does not work", failure=what)
        self.failure = what
        self._stop.set()
