"""The views that all threads share: what is recorded, what is there, what is free.

One lock guards the tables, the pool and the indexes over them: they answer together, and each
question takes microseconds. Kubernetes objects live in stores with locks of their own. A store's
handlers run under its lock and take this one, so nobody may write to a store while holding it.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from msgspec.structs import replace as replaced

from dnatctl.clock import Clock
from dnatctl.control.state.ips import StatedIPs
from dnatctl.control.state.outages import Outages
from dnatctl.control.state.records import Records
from dnatctl.control.state.unmodifiable import Unmodifiable
from dnatctl.control.state.waiting import Waiting
from dnatctl.model import Endpoint, ForwardEntry, Gateway
from dnatctl.objects import FINALIZER, Adopted, Key, PodDNAT, PodDNATSpec
from dnatctl.orders import Orders
from dnatctl.plan.values import Allowance, quota_used_up
from dnatctl.pool import GatewayPool, Pool, Quota
from dnatctl.pool.handover import decode, encode
from dnatctl.pool.history import History
from dnatctl.table.marks import Marks
from dnatctl.table.view import Change, Row, Table


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows of a table by owner, and claims."""

    own: int
    foreign: int
    orphan: int


class Views:
    """Tables, pool and who is who."""

    def __init__(
        self,
        marks: Marks,
        offers: Iterable[GatewayPool],
        quarantine_s: float,
        clock: Clock,
        quota: Quota = lambda _namespace: None,
    ) -> None:
        self.lock = threading.RLock()
        self.marks = marks
        self.clock = clock
        self.tables: dict[str, Table] = {}
        self.pool = Pool(offers, self.tables, quarantine_s, quota)
        self.gateways: dict[str, Gateway] = {}
        self.absent: frozenset[str] = frozenset()
        self.outages = Outages()
        self.going: set[str] = set()
        """UIDs of PodDNATs that were seen to go before their rows."""
        self.went_along: Callable[[str], bool] = lambda _created: False
        """Whether a PodDNAT that is gone, by its creationTimestamp, went with its definition."""
        self.unmodifiable = Unmodifiable()
        self.adopted: dict[str, Adopted] = {}
        self.records = Records()
        self.ips = StatedIPs(self.lock, clock)
        self.waiting = Waiting(self.pool, self.lock, clock)
        self._awaiting_reading: dict[str, set[Key]] = defaultdict(set)
        self.orders = Orders()
        self.history = History()
        """Who had an endpoint before, for people."""

    # --- tables and rows

    def table(self, gateway_id: str) -> Table:
        """The view of that gateway's table, made on first use."""
        with self.lock:
            if gateway_id not in self.tables:
                self.tables[gateway_id] = Table(gateway_id, self.owner_of, self._vacated)
            return self.tables[gateway_id]

    def _vacated(self, row: Row) -> None:
        """A row is gone. If it was an orphan's, no claim keeps its endpoints: they rest now."""
        if row.owner:
            key = self.records.key_of(row.owner)
            namespace = key.namespace if key else ""
            self.pool.vacate(row.entry, self.clock.monotonic(), namespace)

    def owner_of(self, entry: ForwardEntry) -> str:
        """The UID of the PodDNAT a row belongs to: by the ledger, or by its mark.

        A marked row is in the ledger where the PodDNAT that it was made for was lost.
        """
        noted = self.adopted.get(entry.entry_id)
        return noted.uid if noted is not None else self.marks.owner(entry.name)

    def identify(self, tag: str, former: tuple[str, ...] = ()) -> None:
        """It is known now which cluster this is, and under which other cluster IDs it has worked;
        no table has been read yet."""
        self.marks = replace(self.marks, tag=tag, former=former)

    def orphans(self) -> int:
        """How many rows with our mark belong to no PodDNAT."""
        return sum(self.counts(gateway_id).orphan for gateway_id in list(self.tables))

    def made_by_us(self, entry: ForwardEntry) -> bool:
        """Whether this cluster made the row, or adopted it, for certain."""
        return self.marks.proves(entry.name) or entry.entry_id in self.adopted

    def claimed_rows(self) -> int:
        """How many rows belong to PodDNATs that there are."""
        claimed = 0
        for table in list(self.tables.values()):
            with self.lock:
                claimed += sum(
                    len(table.owned_by(uid)) for uid in table.owners() if uid in self.records.keys
                )
        return claimed

    def rows_of_others(self) -> list[ForwardEntry]:
        """Rows of other clusters that work with the same cluster ID."""
        with self.lock:
            rows = [row for table in self.tables.values() for row in table.rows()]
            # Of the others the mark was read when they were taken in: it is looked at too often to
            # be read again of ten thousand.
            entries = [r.entry for r in rows if not r.owner or r.entry.entry_id in self.adopted]
        return [entry for entry in entries if self.marks.stranger(entry.name)]

    def adopt(self, adopted: Mapping[str, Adopted]) -> None:
        """Take in rows (by ID) that the ledger says belong to PodDNATs."""
        with self.lock:
            self.adopted.update(adopted)
            for table in self.tables.values():
                for entry_id in adopted:
                    table.reowned(entry_id)
            for uid in {noted.uid for noted in adopted.values()}:
                self.pool.rows_found(uid)

    def disown(self, entry_ids: Iterable[str]) -> list[str]:
        """Forget adopted rows that are gone; returns those that were adopted."""
        with self.lock:
            return [i for i in entry_ids if self.adopted.pop(i, None) is not None]

    def missed(self, gateway_id: str) -> list[str]:
        """The adopted rows that the gateway's table does not have."""
        with self.lock:
            table = self.table(gateway_id)
            there = [i for i, each in self.adopted.items() if each.gateway_id == gateway_id]
            return [entry_id for entry_id in there if table.row(entry_id) is None]

    def counts(self, gateway_id: str) -> Counts:
        """How many rows of the table are whose."""
        with self.lock:
            table = self.tables.get(gateway_id)
            if table is None:
                return Counts(0, 0, 0)
            orphan = sum(
                len(table.owned_by(uid)) for uid in table.owners() if uid not in self.records.keys
            )
            foreign = table.foreign_count()
            return Counts(len(table) - foreign - orphan, foreign, orphan)

    def outage(self, spec: PodDNATSpec) -> str:
        """Why the external IP of a claim forwards nothing; empty if it does as far as is known."""
        with self.lock:
            return self.outages.why(spec.gateway_id, spec.external_ip)

    def take_outages(self, gateway: Gateway) -> bool:
        """Take in which claimed IPs of a gateway forward nothing; whether that has changed."""
        with self.lock:
            claimed = self.pool.claimed_ips(gateway.gateway_id)
            return self.outages.take_in(gateway, claimed, partial(self._in_use, gateway.gateway_id))

    def _in_use(self, gateway_id: str) -> Collection[str]:
        """The external IPs that the gateway's table has rows of ours on, or may have."""
        if self.unread(gateway_id):
            return self.pool.claimed_ips(gateway_id)
        rows = self.tables[gateway_id].rows()
        return {row.entry.external_ip for row in rows if row.owner}

    # --- records, kept by the store's handler

    def record_changed(self, old: PodDNAT | None, new: PodDNAT | None) -> bool:
        """Keep the claims; returns whether something was freed."""
        now = self.clock.monotonic()
        with self.lock:
            self.history.changed(old, new, self.clock.now())
            if new is not None:
                self.records.note(new)
                lost = self._lost(old, kept=new.spec)
                if new.deleting and FINALIZER not in new.finalizers:
                    # Somebody else's finalizer keeps it: it must not keep our endpoints as well.
                    return self.pool.unclaim(new.uid, now)
                self._claim(new, now)
                asked = self.asked(new.key)
                if asked and set(asked.endpoints()) <= set(new.spec.endpoints()):
                    self.end_claim(new.key)  # the same one twice would count double
                self.pool.let_go(lost)
                return old is not None and old.spec != new.spec
            if old is None:
                return False
            self.records.forget(old.uid)
            self.pool.let_go(self._lost(old, kept=PodDNATSpec()))
            return self.pool.unclaim(old.uid, now)

    def _lost(self, old: PodDNAT | None, kept: PodDNATSpec) -> list[Endpoint]:
        """What the PodDNAT claims no more and was nobody else's: anybody may name anything. To be
        asked before the claim is another."""
        if old is None:
            return []
        lost = set(old.spec.endpoints()).difference(kept.endpoints())
        return [endpoint for endpoint in lost if self.pool.owner(endpoint) in ("", old.uid)]

    def _claim(self, record: PodDNAT, now: float) -> None:
        self.pool.claim(
            record.uid,
            record.created,
            record.spec,
            now,
            record.key.namespace,
            leaving=record.deleting,
        )

    def saw_go(self, uid: str, created: str) -> None:
        """A PodDNAT has gone that has rows, or may be getting some: they are to be released, unless
        its definition went with it."""
        if self.went_along(created):
            return
        with self.lock:
            self.going.add(uid)

    def let_be(self, uids: Iterable[str]) -> set[str]:
        """Nothing is left of these, or they were lost: pods may have what leads to them still.

        Returns those of which that is news.
        """
        with self.lock:
            news = self.going.intersection(uids)
            self.going -= news
            return news

    def dismiss(self, record: PodDNAT) -> bool:
        """The API server does not let go of a PodDNAT that is done with: others may have what it
        claims. Returns whether it had claimed anything."""
        with self.lock:
            return self.pool.dismiss(record.uid, self.clock.monotonic())

    def recall(self, record: PodDNAT) -> None:
        """A pod asks for what the PodDNAT names: if it was dismissed, it claims again."""
        with self.lock:
            if self.pool.recall(record.uid):
                self._claim(record, self.clock.monotonic())

    def begin_claim(self, key: Key, spec: PodDNATSpec, held: PodDNATSpec | None = None) -> None:
        """A PodDNAT is about to claim that: others count with it from now on.

        `held`: what it claims already; None where it is about to be created.
        """
        uid = _provisional(key)
        with self.lock:
            new = set(spec.endpoints()) - set(held.endpoints() if held else ())
            fresh = tuple(port for port in spec.ports if spec.endpoint(port) in new)
            now = self.clock.monotonic()
            if held is not None and held.gateway_id and held.external_ip != spec.external_ip:
                self.pool.trust.engaged(uid, spec.gateway_id, spec.external_ip, now, moved=True)
            if fresh or self.asked(key):
                self.pool.claim(uid, "", replaced(spec, ports=fresh), now, key.namespace)

    def doubt_claim(self, key: Key) -> None:
        """Whether that was stored is not known: it may be yet.

        It stays taken until that is known, or the name asks for something else; then it rests.
        """
        with self.lock:
            if asked := self.asked(key):
                self.pool.use(asked.endpoints())

    def end_claim(self, key: Key) -> None:
        """It is stored and stands for itself, or it is refused: what is not in doubt is free."""
        with self.lock:
            self.pool.unclaim(_provisional(key), self.clock.monotonic())

    def never_stored(self, key: Key) -> None:
        """What was in doubt is not stored and will not be: it is free at once, but for what has led
        to the pod before, by a row that is gone since."""
        with self.lock:
            if asked := self.asked(key):
                self.pool.unuse(e for e in asked.endpoints() if not self.pool.proofs.was_in_use(e))
                self.end_claim(key)

    def asked(self, key: Key) -> PodDNATSpec | None:
        """The endpoints that the name has asked the API server for, with no answer so far."""
        return self.pool.claim_of(_provisional(key))

    def about_to_send(self, uid: str, endpoints: Iterable[Endpoint]) -> frozenset[Endpoint] | None:
        """A row for these is about to be asked for: from now on they rest after use.

        Returns those that did not before; None where the PodDNAT does not claim them any more:
        nothing may be sent then.
        """
        with self.lock:
            claim = self.pool.claim_of(uid) or PodDNATSpec()
            wanted = frozenset(endpoints)
            if not wanted <= set(claim.endpoints()) - self.pool.beyond(uid):
                return None
            begun = frozenset(e for e in wanted if self.pool.is_unused(e))
            self.pool.use(begun)
            return begun

    def never_sent(self, endpoints: Iterable[Endpoint]) -> None:
        """No row was made for these: it was refused for certain."""
        with self.lock:
            self.pool.unuse(endpoints)

    def admit(self, uid: str) -> None:
        """Let a PodDNAT have what was beyond its namespace's quota, as far as there is room now."""
        with self.lock:
            self.pool.readmit(uid, self.clock.monotonic())

    def quota_left(self, key: Key) -> Allowance | None:
        """How many endpoints the name may take besides those it has; None: any number.

        What it has asked for already is its own to ask for again.
        """
        with self.lock:
            limit, claimed, resting = self.pool.quotas.use(key.namespace, self.clock.monotonic())
            if limit is None:
                return None
            asked = self.asked(key)
            left = limit - claimed - resting + (len(asked.ports) if asked else 0)
            return Allowance(max(left, 0), quota_used_up(key.namespace, limit, claimed, resting))

    def has_rows(self, uid: str) -> bool:
        """Whether any table has a row of that PodDNAT."""
        with self.lock:
            return any(table.owned_by(uid) for table in self.tables.values())

    def unread(self, gateway_id: str) -> bool:
        """Whether that is a gateway whose table nobody has read here yet."""
        with self.lock:
            table = self.tables.get(gateway_id)  # anybody may name any: none is made for it
            return bool(gateway_id) and (table is None or not table.read_once)

    def keys_for(self, changes: Iterable[Change]) -> set[Key]:
        """Whom changes of rows concern: their owners, and pods whose way a foreign row was in."""
        keys: set[Key] = set()
        with self.lock:
            for change in changes:
                for row in (change.before, change.after):
                    if row is None:
                        continue
                    if (key := self.records.key_of(row.owner)) is not None:
                        keys.add(key)
                    keys |= self.ips.keys_at(row.entry.internal_ip)
        return keys

    def offer_again(self, offers: Iterable[GatewayPool], quarantine_s: float) -> None:
        """The configuration offers these from now on; see `Pool.offer_again`."""
        with self.lock:
            self.pool.offer_again(offers, quarantine_s)

    def order(self, orders: Orders) -> bool:
        """Heed these from now on; whether they are others than before."""
        with self.lock:
            known, self.orders = self.orders, orders
            self.pool.orders = orders
            return known != orders

    # --- those who wait

    def wait_for_reading(self, gateway_id: str, key: Key) -> None:
        """The key can only go on when the table has been read again."""
        with self.lock:
            self._awaiting_reading[gateway_id].add(key)

    def reading_done(self, gateway_id: str) -> set[Key]:
        """The table has been read: who waited for it."""
        with self.lock:
            return self._awaiting_reading.pop(gateway_id, set())

    # --- endpoints that rest, and whether the next leader would know

    def retire(self, key: Key, endpoints: Iterable[Endpoint]) -> bool:
        """Begin the quarantine of endpoints whose rows are gone; whether any begins just now."""
        with self.lock:
            return self.pool.retire(endpoints, self.clock.monotonic(), key)

    def durable(self, endpoints: Iterable[Endpoint]) -> frozenset[Endpoint]:
        """Of these, the retired ones whose quarantine is noted, or is over already."""
        with self.lock:
            return self.pool.durable(endpoints, self.clock.monotonic())

    def waits_for_note(self) -> bool:
        """Whether anybody waits for a quarantine to be noted for the next leader."""
        return self.pool.awaits_note()

    def quarantined(self) -> dict[Endpoint, float]:
        """Endpoints in quarantine, with the seconds that remain."""
        with self.lock:
            return self.pool.quarantined(self.clock.monotonic())

    def handover(self) -> str:
        """What the next leader is to be told."""
        now = self.clock.monotonic()
        with self.lock:
            each, everything = self.pool.quarantined(now), self.pool.all_rest(now)
        return encode(each, everything)

    def inherit(self, text: str, age: float) -> None:
        """Take over what the last leader left at least `age` seconds ago."""
        resting = decode(text).after(age)
        with self.lock:
            self.pool.inherit(resting, self.clock.monotonic())

    def noted(self, text: str) -> set[Key]:
        """This is stored for the next leader; returns who waited for that."""
        resting = decode(text)
        with self.lock:
            return self.pool.noted(resting)


def _provisional(key: Key) -> str:
    """Stands for the UID of a PodDNAT that is being created."""
    return f"creating {key}"
