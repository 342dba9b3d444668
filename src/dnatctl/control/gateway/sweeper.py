"""The sweeper: finds orphans and has them deleted, slowly, only when sure, and only a few.

It also sees to what others leave to it (`dnatctl.control.gateway.remains`).
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Set
from dataclasses import replace
from typing import Protocol

import structlog

from dnatctl.amounts import amount
from dnatctl.control.gateway.gateways import Gateways
from dnatctl.control.gateway.remains import REMEMBERED_S, Vanished
from dnatctl.control.state.views import Views
from dnatctl.heartbeat import Heartbeats
from dnatctl.kube.errors import KubeError
from dnatctl.kube.ledger import Ledger
from dnatctl.loop import Loop
from dnatctl.model import EntryStatus, ForwardEntry
from dnatctl.objects import Key, Pod
from dnatctl.observe.metrics import Metrics
from dnatctl.table.marks import Marks
from dnatctl.table.orphans import USUAL, Orphan, Patience, Sightings
from dnatctl.table.writes import DeleteRow

log = structlog.get_logger(__name__)

CYCLE_S = 5.0
SWEEP_S = 300.0
"""Longest cycle, in which all PodDNATs may have to be listed."""

FOLLOW_S = 2.0
"""Seconds in which others follow where PodDNATs are lost together, while their pods live on."""

HELD = (
    "{} entries carry this cluster's mark and no PodDNAT claims them: too many to be leftovers. "
    "None is deleted until a person has looked. If another cluster works with the same clusterID "
    "({}), give it one of its own; else stop the controller and run `dnatctl gc`"
)


class Memory(Protocol):
    """Knows across restarts whether there were too many orphans to delete any."""

    @property
    def braked(self) -> bool:
        """Whether it was so when last noted."""
        ...

    def note_braked(self, braked: bool) -> None:
        """Note it. Raises KubeError; it is asked again then."""
        ...


class _Forgetful:
    """No memory."""

    braked = False

    def note_braked(self, braked: bool) -> None:
        """See `Memory`."""
        self.braked = braked


class Sweeper:
    """Looks for orphans in the views of the tables every `cycle_s` seconds.

    `known_uids` asks the API server's majority for the UIDs of all PodDNATs there are; it may raise
    anything, and then nothing is deleted. Where `may_delete` says no, orphans are only counted.
    `undefined`: whether there is no definition of PodDNATs, or it is going: then what leads to a
    living pod was lost, and nobody can claim it before there is one again. `pod`: the pod of that
    name, as it is known. `left_with`: the rows that a living pod of that name is left with, and
    that no PodDNAT has, or not yet.
    `tell` is given a reason and a text when something is found that a person has to see to.
    """

    def __init__(
        self,
        views: Views,
        gateways: Gateways,
        metrics: Metrics,
        *,
        ledger: Ledger,
        known_uids: Callable[[], set[str]],
        may_delete: Callable[[], bool],
        undefined: Callable[[], bool] = lambda: False,
        pod: Callable[[Key], Pod | None] = lambda _key: None,
        left_with: Callable[[Key], Set[str]] = lambda _key: frozenset(),
        patience: Patience = USUAL,
        cycle_s: float = CYCLE_S,
        tell: Callable[[str, str], None] = lambda _reason, _text: None,
        memory: Memory | None = None,
        hearts: Heartbeats | None = None,
    ) -> None:
        self._views = views
        self._gateways = gateways
        self._remains = gateways.remains
        self._ledger = ledger
        self._metrics = metrics
        self._known_uids = known_uids
        self._may_delete = may_delete
        self._undefined = undefined
        self._pod = pod
        self._left_with = left_with
        self._cycle_s = cycle_s
        self._sweeping = threading.Lock()
        self._sightings = Sightings(patience)
        self._tell = tell
        self._memory = memory or _Forgetful()
        self._told: Collection[str] = ()
        self._problems: tuple[str, ...] = ()
        self._vanished: dict[str, Vanished] = {}
        self._lost: set[str] = set()
        """Of those, the ones whose pods are to have what leads to them, once they can."""
        self._followed = False
        self._due = views.clock.monotonic() + cycle_s
        hearts = hearts or Heartbeats(views.clock)
        self._loop = Loop(
            "dnatctl-sweeper", self.step, hearts, longest_s=SWEEP_S, woken=gateways.remains.soon
        )

    def start(self) -> None:
        """Start looking."""
        self._loop.start()

    def stop(self) -> None:
        """Stop looking; does not wait."""
        self._loop.stop()

    def join(self, timeout: float) -> bool:
        """Wait for the thread to end; whether it did."""
        return self._loop.join(timeout)

    def step(self) -> float:
        """See to what was told, and sweep if it is time to; returns seconds to the next step."""
        now = self._views.clock.monotonic()
        try:
            if self.take_in() or now >= self._due:
                self._due = now + self._cycle_s
                self.sweep()
                if self._followed or self._lost:
                    self._due = now + min(self._cycle_s, FOLLOW_S)
        except KubeError as error:
            log.warning("sweeping failed", error=str(error))
        except Exception:
            log.exception("sweeping failed")
        return max(self._due - self._views.clock.monotonic(), 0.0)

    def notes(self) -> list[str]:
        """A line for everything that a person has to see to, for `/readyz?verbose`."""
        return [f"[!]{problem}" for problem in self._problems]

    def sweep(self) -> None:
        """One cycle; one at a time, whoever asks for it."""
        with self._sweeping:
            self._sweep()

    def _sweep(self) -> None:
        self.take_in()
        now = self._views.clock.monotonic()
        orphans, claimed = self._mark_bereft(self.find(), now), self._views.claimed_rows()
        self._sightings.braked |= self._memory.braked
        self._sightings.update(orphans, claimed, now)
        if self._undefined():
            self._sightings.begin_anew(now)
        may_delete = self._may_delete()
        self._call_off(self._sightings.deletable(now) if may_delete else [])
        due = self._deletable(self._sightings.due(now, self._is_stuck) if may_delete else [])
        for gateway_id in self._sightings.unproven():
            if poller := self._gateways.fleet.poller(gateway_id):
                poller.read_soon()
        held = [orphan for orphan in self._sightings.held(now) if not self.is_had(orphan)]
        self._shout(held, self._views.rows_of_others())
        if self._sightings.braked != self._memory.braked:
            self._note(braked=self._sightings.braked)
        if not due:
            return
        known = self._known_uids()
        # A list takes its time: whom a row leads to may have claimed it again meanwhile.
        self.sweep_out(o for o in due if o.uid not in known and self._may_go(o))

    def _deletable(self, due: Iterable[Orphan]) -> list[Orphan]:
        """Of these, what could be deleted now; none where all of that is under way already.

        All PodDNATs are listed for what this names: not in each cycle for as long as a gateway is
        paused, or its deletes are refused or take their time. Nothing is kept of a list: each
        delete that is wanted anew rests on one that was asked for after its row was due.
        """
        able = [orphan for orphan in due if self._may_go(orphan)]
        return [] if all(map(self._is_under_way, able)) else able

    def _may_go(self, orphan: Orphan) -> bool:
        there = orphan.gateway_id in self._gateways.fleet
        return there and not self._is_paused(orphan) and not self.is_had(orphan)

    def is_had(self, orphan: Orphan) -> bool:
        """Whether a living pod has it that has lost its PodDNAT: it claims it again, or will."""
        return any(orphan.entry_id in self._left_with(key) for key in orphan.leads_to)

    def _is_paused(self, orphan: Orphan) -> bool:
        """Whether nothing is to be changed on its gateway, or of a pod that it leads to."""
        pods = (key for key in orphan.leads_to if self._leads_to(orphan, key))
        orders = self._views.orders
        return any(orders.paused(orphan.gateway_id, key) for key in (None, *pods))

    def _call_off(self, deletable: Iterable[Orphan]) -> None:
        """What was to be deleted, and is none of these or may not go by now, stays if it was not
        sent yet: a delete may wait for hours, and what it rested on be over."""
        known = {(o.uid, DeleteRow(o.gateway_id, o.entry_id)): o for o in deletable}
        for writer in self._gateways.fleet.writers():
            for uid, writes in writer.orphans().items():
                found = {write: known.get((uid, write)) for write in writes}
                over = [write for write, o in found.items() if o is None or not self._may_go(o)]
                if over:
                    log.info("orphans stay", gateway=writer.gateway_id, uid=uid, writes=len(over))
                    writer.call_off(uid, over)

    def _is_stuck(self, orphan: Orphan) -> bool:
        """Whether it cannot go now: paused, had, its gateway gone, or the cloud refuses."""
        writer = self._gateways.fleet.writer(orphan.gateway_id)
        refused = writer is not None and orphan.entry_id in writer.hindrances(orphan.uid)
        return refused or not self._may_go(orphan)

    def _is_under_way(self, orphan: Orphan) -> bool:
        """Whether its delete is on its way to the cloud, as soon as is called for, or taken."""
        writer = self._gateways.fleet.writer(orphan.gateway_id)
        write = DeleteRow(orphan.gateway_id, orphan.entry_id)
        return self._is_going(orphan) or (
            writer is not None and writer.is_wanted(orphan.uid, write, first=orphan.bereft)
        )

    def take_in(self) -> bool:
        """See to what was told of remains; whether a PodDNAT has vanished since the last time."""
        told = self._remains.take()
        for uid in told.in_the_way:
            self._sightings.expedite(uid)
        self._vanished = {**self._vanished, **told.vanished}
        for gateway_id, entry_ids in told.unlisted.items():
            try:
                self._ledger.strike(gateway_id, entry_ids)
            except KubeError as error:
                # What is left in the ledger is an ID that the cloud never gives again.
                log.warning("ledger not updated", gateway=gateway_id, error=str(error))
        return bool(told.vanished)

    def _note(self, *, braked: bool) -> None:
        """What cannot be noted holds here all the same, and nothing that is due waits for it."""
        try:
            self._memory.note_braked(braked)
        except KubeError as error:
            log.warning("ledger not updated", braked=braked, error=str(error))

    def _shout(self, held: Collection[Orphan], others: Collection[ForwardEntry]) -> None:
        """Tell of what only a person can put right, when it begins."""
        self._metrics.orphans_held.set(len(held))
        self._metrics.strangers.set(len(others))
        found = {}
        if held:
            found["OrphansHeld"] = HELD.format(len(held), self._views.marks.cluster_id)
        if others:
            found["ClusterIDShared"] = shared(self._views.marks, others)
        for reason in found.keys() - self._told:
            log.error(found[reason], reason=reason)
            self._tell(reason, found[reason])
        self._told = found.keys()
        self._problems = tuple(found.values())

    def sweep_out(self, orphans: Iterable[Orphan]) -> None:
        """Have these rows deleted."""
        by_owner: dict[tuple[str, str], list[Orphan]] = defaultdict(list)
        for orphan in orphans:
            if self._is_going(orphan):
                continue
            by_owner[orphan.gateway_id, orphan.uid].append(orphan)
        for (gateway_id, uid), rows in by_owner.items():
            writer = self._gateways.fleet.writer(gateway_id)
            if writer is None:
                continue
            ids = [row.entry_id for row in rows]
            log.warning("deleting orphans", gateway=gateway_id, uid=uid, forward_entry_ids=ids)
            self._metrics.orphans_deleted.inc(len(rows))
            writes = tuple(DeleteRow(gateway_id, entry_id) for entry_id in ids)
            if any(row.bereft for row in rows):
                writer.expedite(uid)  # its pod's IP may be another's any moment
            writer.want(uid, "", writes, orphan=True)  # last: what was expedited ends with it

    def _is_going(self, orphan: Orphan) -> bool:
        """Whether the cloud has taken its delete already, and may take its time."""
        with self._views.lock:
            row = self._views.table(orphan.gateway_id).row(orphan.entry_id)
        return row is not None and row.entry.status is EntryStatus.DELETING

    def _mark_bereft(self, orphans: list[Orphan], now: float) -> list[Orphan]:
        """With those known whose PodDNATs were seen to vanish.

        Where many vanish whose pods are there as before, PodDNATs were lost (a restored backup):
        that is what the brake is for; whether many do is waited for. So it is with all that vanish
        with their definition, and with a pod that is going: whoever is still on it stays.
        """
        owners = {orphan.uid for orphan in orphans}
        before = self._vanished
        self._vanished = {
            uid: gone
            for uid, gone in before.items()
            if uid in owners or now - gone.at <= REMEMBERED_S
        }
        self._views.let_be(before.keys() - self._vanished.keys())
        gone = {uid: gone for uid, gone in self._vanished.items() if uid in owners}
        served = {o.uid for o in orphans if o.uid in gone and self._leads_to(o, gone[o.uid].key)}
        fresh = {uid for uid in served if now - gone[uid].at < FOLLOW_S}
        self._followed = bool(fresh)
        if len(served) > self._sightings.patience.many:
            self._lost |= served
        self._lost |= {uid for uid in served if self._views.went_along(gone[uid].created)}
        self._lost |= {uid for uid in served if self._is_going_pod(gone[uid].key)}
        self._lost &= served
        self._give_back({uid: gone[uid].key for uid in self._lost})
        bereft = gone.keys() - fresh - self._lost
        return [replace(orphan, bereft=orphan.uid in bereft) for orphan in orphans]

    def _leads_to(self, orphan: Orphan, key: Key) -> bool:
        """Whether that pod has the address still, and its containers run as far as is known."""
        pod = self._pod(key)
        return key in orphan.leads_to and not (pod is not None and pod.ended)

    def _is_going_pod(self, key: Key) -> bool:
        pod = self._pod(key)
        return pod is not None and pod.deleting

    def _give_back(self, lost: Mapping[str, Key]) -> None:
        """Pods of PodDNATs that were lost may have what still leads to them."""
        for uid in self._views.let_be(lost):
            self._gateways.look_again(lost[uid])

    def find(self) -> list[Orphan]:
        """All orphans in the tables as they were last read.

        Each table is a moment of its own: between them others have the lock.
        """
        orphans = []
        for gateway_id, table in list(self._views.tables.items()):
            with self._views.lock:
                found = [
                    Orphan(
                        gateway_id,
                        row.entry.entry_id,
                        uid,
                        table.generation,
                        proven=self._views.made_by_us(row.entry),
                        leads_to=frozenset(self._views.ips.keys_at(row.entry.internal_ip)),
                    )
                    for uid in table.owners()
                    if self._views.records.key_of(uid) is None
                    for row in table.owned_by(uid)
                ]
                self._views.pool.count_orphans(gateway_id, len(found))
                orphans += found
        return orphans


def shared(marks: Marks, others: Collection[ForwardEntry]) -> str:
    """What is wrong where another cluster works with the same cluster ID, and what to do."""
    one = min(others, key=lambda entry: entry.entry_id)
    return (
        f"another cluster with the same clusterID ({marks.cluster_id}) has made "
        f"{amount(len(others), 'entry', 'entries')} (such as {one.entry_id}, {one.external_ip}:"
        f"{one.external_ports} to {one.internal_ip}), which nobody here touches. "
        "Give each cluster a clusterID of its own; if that cluster is gone, delete its entries "
        f"with `dnatctl gc --of {marks.stranger(one.name)}`"
    )
