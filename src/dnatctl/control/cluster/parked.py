"""Parked claims, noted where only the controller writes.

A fixed claim whose pod is away has no row that would show whose it is, and that of a living pod may
have none for long: rows were deleted, and the EIP or the gateway takes no others. While this
process runs, the order in which claims were made decides; after a restart nothing would, and
whoever may write an older PodDNAT could write the endpoint of another's into it. So they are in the
ledger.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import structlog

from dnatctl.control.state.views import Views
from dnatctl.kube.errors import KubeError
from dnatctl.kube.ledger import Ledger
from dnatctl.model import Endpoint, Protocol
from dnatctl.objects import READY, PodDNAT, PodDNATSpec, PodDNATStatus
from dnatctl.plan.owners import is_fixed
from dnatctl.plan.release import AWAY, RELEASING, UNMARKED
from dnatctl.plan.tenancy import DISPLACED

log = structlog.get_logger(__name__)

TRY_AGAIN_S = 60.0
"""How often it is tried again to note what was refused."""

_CLAIMED_NO_MORE = frozenset({RELEASING.reason, UNMARKED, "PortsChanged"})
"""Reasons of entries that are listed no longer as their endpoints are being given up."""

_ENDPOINT = re.compile(r"([0-9.]{7,15}):([0-9]{1,5})/(tcp|udp)")


class Parked:
    """Keeps parked claims in the ledger. With `note` False nothing is written."""

    def __init__(self, ledger: Ledger, views: Views, *, note: bool = True) -> None:
        self._ledger = ledger
        self._views = views
        self._note = note
        self._stale: set[str] = set()
        """UIDs of PodDNATs of which the ledger may say something else than is held for them. The
        views are locked."""
        self._due = 0.0

    def load(self) -> None:
        """Take over what is noted, as far as it is claimed still: what a PodDNAT has let go of may
        be another's. The rest is struck. All PodDNATs are known by now. Raises KubeError.
        """
        parked = self._ledger.parked()
        with self._views.lock:
            stale = [uid for uid, text in parked.items() if not self._take_over(uid, text)]
        if stale and self._note:
            self._strike(*stale)

    def _take_over(self, uid: str, text: str) -> bool:
        """Whether the note is true still."""
        pool, noted = self._views.pool, frozenset(_read(text))
        claim = pool.claim_of(uid) or PodDNATSpec()
        pool.proofs.hold(uid, noted.intersection(claim.endpoints()))
        return self._views.records.key_of(uid) is not None and pool.proofs.held(uid) == noted

    def keep(self, record: PodDNAT, status: PodDNATStatus) -> None:
        """That status is about to be written: if it says that the pod is away, its IP another's, or
        that a fixed one is not reached any more, note whose the endpoints are, before the rows that
        show it go, or a restart finds none. Raises KubeError.
        """
        ready = status.condition(READY)
        if ready is None or not _is_to_be_noted(record, status, ready.reason):
            return
        with self._views.lock:
            pool = self._views.pool
            own = tuple(e for e in record.spec.endpoints() if self._is_its_own(record, e))
            if not own or pool.proofs.holds(record.uid, own):
                return
            pool.proofs.hold(record.uid, own)
        try:
            self._write(record.uid)
        except KubeError as error:
            if not error.refused:
                with self._views.lock:
                    pool.proofs.hold(record.uid, ())
                raise
            log.warning("parked claim not noted", key=str(record.key), error=str(error))

    def _is_its_own(self, record: PodDNAT, endpoint: Endpoint) -> bool:
        """Whether the endpoint is to be noted for it: a note proves that it was offered to it once,
        which a claim that was written by hand does not."""
        pool, gateway_id = self._views.pool, record.spec.gateway_id
        offered = pool.may_rest(endpoint) and pool.serves(
            gateway_id, endpoint, record.key.namespace
        )
        proven = offered or pool.is_proven(record.uid, gateway_id, endpoint)
        return proven and pool.owner(endpoint) == record.uid

    def pulse(self) -> None:
        """Time goes by: claims have let go of what was noted, and what was refused, by a webhook
        that was down perhaps, may be taken now."""
        if not self.behind():
            return
        with self._views.lock:
            stale = tuple(self._stale)
        try:
            self._write(*stale)
        except KubeError as error:
            self._due = self._views.clock.monotonic() + TRY_AGAIN_S
            log.warning("parked claims not noted", uids=stale, error=str(error))

    def behind(self) -> bool:
        """Whether the ledger is to be written by the next pulse. What was refused has its time."""
        with self._views.lock:
            waits = bool(self._stale or self._views.pool.proofs.lapsed)
        return waits and self._note and self._views.clock.monotonic() >= self._due

    def forget(self, uid: str) -> None:
        """The PodDNAT is gone."""
        with self._views.lock:
            pool = self._views.pool
            known = pool.proofs.hold(uid, ()) or uid in pool.proofs.lapsed
        if known:
            self._strike(uid)

    def _strike(self, *uids: str) -> None:
        """Take out of the ledger what is held no more. Nothing waits for it: it is tried again."""
        try:
            self._write(*uids)
        except KubeError as error:
            log.warning("ledger not updated", uids=uids, error=str(error))

    def _write(self, *uids: str) -> None:
        """Have the ledger say of these what is held for them, and first of those that hold less by
        now: what they have let go of must not be noted twice. Raises KubeError.

        Where something else is held by then, a newer note may have been written before this one.
        """
        with self._views.lock:
            lapsed = self._views.pool.proofs.lapsed
            said = {uid: self._text(uid) for uid in (*lapsed, *uids)}
            lapsed.clear()
            self._stale.update(said)
        self._ledger.note_parked(said)
        with self._views.lock:
            for uid, text in said.items():
                (self._stale.discard if self._text(uid) == text else self._stale.add)(uid)

    def _text(self, uid: str) -> str | None:
        return ",".join(map(str, sorted(self._views.pool.proofs.held(uid)))) or None


def _is_to_be_noted(record: PodDNAT, status: PodDNATStatus, reason: str) -> bool:
    """Whether the claim is kept while its rows go, or have gone, for how long nobody knows. What
    nobody was told yet is not worth a note: to get something else costs its pod nothing."""
    if reason == AWAY.reason:
        return True
    lost = any(entry not in status.entries for entry in record.status.entries)
    kept = reason in DISPLACED or (lost and reason not in _CLAIMED_NO_MORE)
    return kept and is_fixed(record)


def _read(text: str) -> Iterable[Endpoint]:
    return tuple(_endpoints(text.split(",")))


def _endpoints(parts: Iterable[str]) -> Iterator[Endpoint]:
    for part in parts:
        if (found := _ENDPOINT.fullmatch(part)) and 1 <= int(found[2]) <= 65535:
            yield Endpoint(found[1], int(found[2]), Protocol(found[3]))
