"""The gateways: described anew now and then, each with a poller and a writer of its own.

A gateway that the configuration no longer names but some PodDNAT still claims is kept too, so that
its rows can be released; nothing new is allocated on it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import structlog

from dnatctl.clock import Deadline
from dnatctl.cloud.api import CloudApi, Stopped
from dnatctl.cloud.errors import CloudError, ErrorKind
from dnatctl.cloud.hollow import MISCOUNTED
from dnatctl.control.gateway.absence import Absence
from dnatctl.control.gateway.first_reads import FirstReads
from dnatctl.control.gateway.fleet import Fleet
from dnatctl.control.gateway.listener import Listener
from dnatctl.control.gateway.remains import Remains
from dnatctl.control.gateway.rounds import Rounds
from dnatctl.control.gateway.sense import read_page
from dnatctl.control.gateway.threads import TableThreads
from dnatctl.control.gateway.writer import TableWriter
from dnatctl.control.state.views import Views
from dnatctl.heartbeat import CALL_S, Heartbeats
from dnatctl.kube.errors import KubeError
from dnatctl.loop import Loop
from dnatctl.model import ForwardEntry, Gateway
from dnatctl.objects import Adopted, Key, PodDNAT
from dnatctl.observe.metrics import Metrics
from dnatctl.table.reading import as_pass, collect
from dnatctl.table.view import NEVER, Table
from dnatctl.table.writes import Write

log = structlog.get_logger(__name__)

GATHER_S = 0.5
"""So long is waited before describing, so that many who ask at once cause one call."""

UNREADABLE_AFTER = 3
"""Failed readings in a row after which a table no longer holds up the start of the others."""


class Gateways:
    """Describes gateways, runs their threads, and hands writes to them."""

    def __init__(
        self,
        views: Views,
        cloud: CloudApi,
        listener: Listener,
        metrics: Metrics,
        *,
        fence: Callable[[], bool],
        adopted: Callable[[str], dict[str, Adopted]],
        idle_s: float,
        longest_idle_s: float | None = None,
        hearts: Heartbeats | None = None,
    ) -> None:
        self._views = views
        self._cloud = cloud
        self._listener = listener
        self.remains = Remains(views.clock)
        self._metrics = metrics
        self._fence = fence
        self._adopted = adopted
        self._idle_s = idle_s
        self._longest_idle_s = longest_idle_s
        self._first_reads = FirstReads()
        self.fleet = Fleet()
        self._wanted: dict[str, set[str]] = {}
        """Gateways on which something is wanted, by the UID of the PodDNAT."""
        self._asked: dict[str, set[str]] = {}
        """Gateways whose writers were ever told of a PodDNAT, by its UID."""
        self._rounds = Rounds(idle_s)
        self._described = False
        self._absence = Absence()
        self._hearts = hearts or Heartbeats(views.clock)
        self._loop = Loop("dnatctl-gateways", self.step, self._hearts, gather_s=GATHER_S)
        self.error = "not described yet"

    def start(self) -> None:
        """Start describing."""
        self._loop.start()

    def stop(self) -> None:
        """Describe, read and write no more; does not wait."""
        self._loop.stop()
        self.fleet.stop()

    def join(self, deadline: Deadline) -> bool:
        """Wait for all that was stopped; whether it has ended."""
        described = self._loop.join(deadline.left)
        return self.fleet.join(deadline) and described

    def describe_soon(self, gateway_id: str = "") -> None:
        """That gateway or one of its EIPs is not as it was described; without an ID, any may be."""
        with self._views.lock:
            if gateway_id:
                self._rounds.doubt(gateway_id)
            else:
                self._rounds.doubt_all()
        self._loop.wake()

    def writers_for(self, uid: str) -> list[TableWriter]:
        """Those that were ever told of that PodDNAT: the others know nothing of it."""
        with self._views.lock:
            asked = sorted(self._asked.get(uid, ()))
        return [writer for i in asked if (writer := self.fleet.writer(i)) is not None]

    def busy(self) -> str:
        """What is being done to tables now; "" at rest."""
        if any(writer.busy() for writer in self.fleet.writers()):
            return "writes are sent"
        if any(table.in_flux() for table in list(self._views.tables.values())):
            return "tables are settling"
        if self.remains.unstruck() or any(map(self._views.missed, self.fleet.ids())):
            return "the ledger of adopted entries is to follow the tables"
        return ""

    def ready(self) -> bool:
        """Whether every table that can be read has been read once."""
        return self._described and not self.unread()

    def begun(self) -> bool:
        """Whether some table has been read once, and so its gateway can serve; or none can be."""
        if self.ready():
            return True
        return any(self._views.table(i).read_once for i in self.fleet.ids())

    def unread(self) -> list[str]:
        """Gateways whose table has not been read and may still be, soon."""
        return [
            gateway_id
            for gateway_id in self.fleet.ids()
            if not self._views.table(gateway_id).read_once
            and (poller := self.fleet.poller(gateway_id)) is not None
            and poller.failing < UNREADABLE_AFTER
        ]

    # --- what workers want

    def want(self, uid: str, key: Key, writes: tuple[Write, ...]) -> None:
        """Hand the writes for a PodDNAT to the writers of their tables: all that it is to get."""
        by_gateway: dict[str, tuple[Write, ...]] = {}
        for write in writes:
            by_gateway[write.gateway_id] = (*by_gateway.get(write.gateway_id, ()), write)
        with self._views.lock:
            if self._views.records.key_of(uid) is None:
                return  # gone since it was looked at: nobody would ever take this back
            for gateway_id in self._wanted.pop(uid, set()) | by_gateway.keys():
                writer = self.fleet.writer(gateway_id)
                if writer is not None:
                    writer.want(uid, key.namespace, by_gateway.get(gateway_id, ()))
            if by_gateway:
                self._wanted[uid] = set(by_gateway)
                self._asked.setdefault(uid, set()).update(by_gateway)

    def expedite(self, uid: str) -> None:
        """Rows of that PodDNAT stand in another pod's way."""
        with self._views.lock:
            key = self._views.records.key_of(uid)
            if key is None:
                self.remains.in_the_way(uid)
                return
            for gateway_id, table in self._views.tables.items():
                writer = self.fleet.writer(gateway_id)
                if writer is not None and table.owned_by(uid):
                    self._asked.setdefault(uid, set()).add(gateway_id)
                    writer.expedite(uid)
        self._listener.changed(key)

    def read(self, gateway_id: str) -> None:
        """What that table lists now is waited for. One without threads is read but once: nobody
        makes rows there, and it had none of ours."""
        if poller := self.fleet.poller(gateway_id):
            poller.read_soon()
        elif (table := self._views.tables.get(gateway_id)) is not None:
            table.hides_nothing()

    def look_again(self, key: Key) -> None:
        """Something about that name is different now."""
        self._listener.changed(key)

    def forget(self, uid: str) -> None:
        """The PodDNAT is gone."""
        with self._views.lock:
            self._wanted.pop(uid, None)
            for writer in self.writers_for(uid):
                writer.forget(uid)
            self._asked.pop(uid, None)

    def record_changed(
        self, old: PodDNAT | None, new: PodDNAT | None, *, lost: bool = False
    ) -> None:
        """To be told of PodDNATs after the views were: what is wanted for one ends with it.

        `lost`: it was not seen to go, the API server has gone back to before it. Its rows are left
        to its pod.
        """
        if old is None or new is not None:
            return
        rows = self._may_have_rows(old.uid)
        if rows and not lost:
            self._views.saw_go(old.uid, old.created)
            self.remains.vanished(old.uid, old.key, old.created)
        elif rows or self._views.unread(old.spec.gateway_id):
            # Not as one that was seen to go: what leads to its pod, if that lives, stays the pod's.
            self.remains.vanished_unread(old.uid, old.key, old.created)
        self.forget(old.uid)

    def _may_have_rows(self, uid: str) -> bool:
        """Whether that PodDNAT has rows, is to get some, or may be getting one just now."""
        if uid in self._wanted or self._views.has_rows(uid):
            return True
        return any(writer.unanswered(uid) for writer in self.writers_for(uid))

    # --- the thread

    def step(self) -> float | None:
        """Describe what is due; returns the seconds to the next step, None to end."""
        try:
            self._describe()
            self.error = ""
        except Stopped:
            return None
        except CloudError as error:
            if error.kind is ErrorKind.THROTTLED:
                self.error = str(error)  # the limit for calls says when to go on
            else:
                self._failed(str(error))
            log.warning("describing gateways failed", error=self.error)
        except Exception as error:
            self._failed(str(error))
            log.exception("describing gateways failed")
        return self._pause()

    def _pause(self) -> float:
        with self._views.lock:
            return min(max(self._rounds.pause(self._views.clock.monotonic()), 0.0), self._idle_s)

    def _failed(self, error: str) -> None:
        self.error = error
        with self._views.lock:
            self._rounds.failed(self._views.clock.monotonic())

    def _concerned(self) -> tuple[set[str], set[str]]:
        """Gateways that are offered or have threads, and those that only PodDNATs name."""
        with self._views.lock:
            offered = {offer.gateway_id for offer in self._views.pool.offers()}
            claimed = self._views.pool.claimed_gateways() - {""}
        known = offered | (claimed & set(self.fleet.ids()))
        return known, claimed - known

    def _forget(self, wanted: set[str]) -> None:
        """Let go of what nobody names any more, and of which nothing is left."""
        with self._views.lock:
            for gateway_id in self._views.gateways.keys() - wanted - set(self.fleet.ids()):
                del self._views.gateways[gateway_id]
                self._views.tables.pop(gateway_id, None)

    def _let_go(self) -> None:
        """Look no more after gateways that have left the configuration and are empty."""
        with self._views.lock:
            for gateway_id in self._views.pool.emptied():
                writer = self.fleet.writer(gateway_id)
                if writer is not None and self._has_work(gateway_id, writer):
                    continue
                log.info("gateway has left the pool", gateway=gateway_id)
                self._views.pool.drop(gateway_id)
                self.fleet.dismiss(gateway_id)

    def _has_work(self, gateway_id: str, writer: TableWriter) -> bool:
        """Whether something is to be written still: the delete of somebody's row, say, which is
        refused for a while. Of one that is gone from the cloud nothing ever will be."""
        return writer.busy() if gateway_id in self._views.absent else writer.backlog() > 0

    def _describe(self) -> None:
        self._let_go()
        known, strangers = self._concerned()
        wanted = known | strangers
        self._forget(wanted)
        started = self._views.clock.monotonic()
        with self._views.lock:
            asked = self._rounds.due(known, started, strangers)
        if not asked:
            return
        if asked & self._absence.doubted(self._views.absent):
            asked |= known  # whether any is listed tells what to make of it
        self._loop.by(CALL_S, "describes gateways")
        told = self._cloud.describe_gateways(sorted(asked), self._heard)
        found = {gateway.gateway_id: gateway for gateway in told}
        described = {i: gateway for i, gateway in found.items() if i in asked}
        before = self._views.absent
        absent = self._absence.believed(described, started, before, self._has_no_table)
        self._absence.note(described, started, others=wanted - asked)
        lost = absent - before
        with self._views.lock:  # before anybody is told, so that who then looks sees it
            self._views.absent = (self._views.absent & wanted) - asked | absent
        for gateway_id in sorted(described):
            self._loop.by(CALL_S, "takes in what was described")
            self._take_in(described[gateway_id], started)
        for gateway_id in sorted(lost):
            self._lose(gateway_id)
        with self._views.lock:
            dark = self._views.outages.suspected
            troubled = ((i, bool(g.problem or g.unread) or dark(i)) for i, g in described.items())
            self._rounds.described(troubled, started)
            if asked >= known:
                self._rounds.round_done(started)
        self._described = True

    def _has_no_table(self, gateway_id: str) -> bool:
        poller = self.fleet.poller(gateway_id)
        if poller is None:
            return True
        if not poller.missing:
            poller.read_soon()
        return poller.missing

    def _lose(self, gateway_id: str) -> None:
        """The gateway is gone, and with it its table. Which rows were adopted is not forgotten: no
        reading has shown that they are not there."""
        log.warning("gateway is gone", gateway=gateway_id)
        with self._views.lock:
            self._views.table(gateway_id).vanished()
        self._listener.gateway_changed(gateway_id)

    def _heard(self, gateway: Gateway) -> None:
        """One is described while others are not yet: its table can be read meanwhile."""
        if not gateway.absent and gateway.gateway_id not in self.fleet:
            with self._views.lock:
                self._views.absent -= {gateway.gateway_id}
            self._take_in(gateway)
            self._loop.by(CALL_S, "describes gateways")

    def _as_known(self, gateway: Gateway) -> Gateway:
        """What the cloud does not say is as it said before; if it never did, it is a problem."""
        before = self._views.gateways.get(gateway.gateway_id)
        if not gateway.unread:
            return gateway
        if before is None or before.unread:
            return replace(gateway, problem=gateway.problem or f"unknown: {gateway.unread}")
        return replace(gateway, eips=before.eips, unread="") if gateway.table_id else before

    def _take_in(self, described: Gateway, asked: float = NEVER) -> None:
        gateway = self._as_known(described)
        before = self._views.gateways.get(gateway.gateway_id)
        with self._views.lock:
            self._views.gateways[gateway.gateway_id] = gateway
            if gateway.table_id:
                self._views.table(gateway.gateway_id).table_id = gateway.table_id
            offered = self._views.pool.describe(
                gateway.gateway_id, gateway.eips, gateway.problem, gateway.zone_id, asked
            )
        begun = False
        if gateway.table_id and gateway.gateway_id not in self.fleet and self._is_ours(gateway):
            begun = self._begin(gateway.gateway_id)
        outages = self._views.take_outages(gateway)
        if before != gateway or outages or offered or begun:
            usable = [eip.ip for eip in gateway.eips if eip.usable]
            log.info("gateway", gateway=gateway.gateway_id, problem=gateway.problem, eips=usable)
            self._listener.gateway_changed(gateway.gateway_id)

    def _is_ours(self, gateway: Gateway) -> bool:
        """Whether the configuration names the gateway, or its table has rows of ours. Anybody may
        write the ID of any gateway into a PodDNAT: the table is read once to see.
        """
        table = self._views.table(gateway.gateway_id)
        if self._views.pool.offer(gateway.gateway_id) is not None or table.owners():
            return True
        if not table.read_once:
            self._look_into(gateway, table)
        return bool(table.owners())

    def _look_into(self, gateway: Gateway, table: Table) -> None:
        """Read the table of a gateway that may have nothing of ours."""

        def read(number: int) -> tuple[int, tuple[ForwardEntry, ...]]:
            self._loop.by(CALL_S, "reads the table of a gateway that is not configured")
            return read_page(self._cloud, self._views, table, number)

        started = self._views.clock.monotonic()
        try:
            self._views.adopt(self._adopted(gateway.gateway_id))
            collected = collect(read)
            whole = collected.whole or collect(read).same_rows(collected)
        except (CloudError, KubeError) as error:
            log.warning("table not read", gateway=gateway.gateway_id, error=str(error))
            return
        if whole and collected.surplus <= MISCOUNTED:
            with self._views.lock:
                table.merge(as_pass(started, collected, atomic=True), started)
            self._listener.gateway_changed(gateway.gateway_id)

    def notes(self) -> list[str]:
        """Lines for `/readyz?verbose`: which of our gateways, or what of them, cannot be used, and
        whether what is known of them may be old."""
        known, _ = self._concerned()
        with self._views.lock:
            pool, found = self._views.pool, self._views.gateways
            wrong = {i: g.problem or pool.why_none_bound(i) for i, g in found.items() if i in known}
            leaving = {i: why for i in sorted(known) if (why := pool.why_leaving(i))}
        old = self._described and bool(self.error)
        bad = [f"[!]gateways: they cannot be described: {self.error}"] if old else []
        bad += [f"[!]gateway {i}: {why}" for i, why in wrong.items() if why]
        bad += [f"[!]gateway {i}: {why}" for i, why in self.fleet.complaints()]
        return [*bad, *(f"[ ]gateway {i}: {why}" for i, why in leaving.items())]

    def _begin(self, gateway_id: str) -> bool:
        """Adopted rows are known before any is read, and so not foreign. Returns whether it is
        looked after from now on."""
        if self.fleet.closed:
            return False
        self._views.adopt(self._adopted(gateway_id))
        self.fleet.begin(gateway_id, self._make_threads(gateway_id))
        return True

    def _make_threads(self, gateway_id: str) -> TableThreads:
        return TableThreads(
            gateway_id,
            self._views,
            self._cloud,
            listener=self._listener,
            remains=self.remains,
            metrics=self._metrics,
            in_doubt=partial(self.describe_soon, gateway_id),
            fence=lambda: self._fence() and not self._views.orders.paused(gateway_id),
            idle_s=self._idle_s,
            longest_idle_s=self._longest_idle_s,
            first_reads=self._first_reads,
            hearts=self._hearts,
        )
