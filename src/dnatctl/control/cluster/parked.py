"""Parked claims, noted where only the controller writes.

A fixed claim whose pod is away has no row that would show whose it is. While this process runs, the
order in which claims were made decides; after a restart nothing would, and whoever may write an
older PodDNAT could write the endpoint of another's into it. So parked claims are in the ledger.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import structlog

from dnatctl.control.state.views import Views
from dnatctl.kube.errors import KubeError
from dnatctl.kube.ledger import Ledger
from dnatctl.model import Endpoint, Protocol
from dnatctl.objects import READY, PodDNAT, PodDNATStatus
from dnatctl.plan.release import AWAY

log = structlog.get_logger(__name__)

TRY_AGAIN_S = 60.0
"""How often it is tried again to note what was refused."""

_ENDPOINT = re.compile(r"([0-9.]{7,15}):([0-9]{1,5})/(tcp|udp)")


class Parked:
    """Keeps parked claims in the ledger. With `note` False nothing is written."""

    def __init__(self, ledger: Ledger, views: Views, *, note: bool = True) -> None:
        self._ledger = ledger
        self._views = views
        self._note = note
        self._unnoted: dict[str, tuple[Endpoint, ...]] = {}
        """What the ledger did not take, by the UID of the PodDNAT. The views are locked."""
        self._due = 0.0

    def load(self) -> None:
        """Take over what is noted; what belongs to no PodDNAT any more is struck. All PodDNATs are
        known by now. Raises KubeError.
        """
        stale = []
        for uid, text in self._ledger.parked().items():
            if self._views.records.key_of(uid) is None:
                stale.append(uid)
            else:
                self._views.pool.hold(uid, _read(text))
        if stale and self._note:
            self._strike(*stale)

    def keep(self, record: PodDNAT, status: PodDNATStatus) -> None:
        """That status is about to be written: if it says that the pod is away, note whose the
        endpoints are, before the rows that show it go. Raises KubeError.
        """
        ready = status.condition(READY)
        if ready is None or ready.reason != AWAY.reason:
            return
        with self._views.lock:
            pool = self._views.pool
            own = tuple(e for e in record.spec.endpoints() if pool.owner(e) == record.uid)
            if not own or pool.holds(record.uid, own):
                return
            pool.hold(record.uid, own)
        try:
            self._ledger.note_parked({record.uid: ",".join(map(str, own))})
        except KubeError as error:
            if not error.refused:
                with self._views.lock:
                    pool.hold(record.uid, ())
                raise
            log.warning("parked claim not noted", key=str(record.key), error=str(error))
            with self._views.lock:
                self._unnoted[record.uid] = own

    def pulse(self) -> None:
        """Time goes by: what was refused, by a webhook that was down perhaps, may be taken now."""
        now, pool = self._views.clock.monotonic(), self._views.pool
        if not self._unnoted or now < self._due:
            return
        self._due = now + TRY_AGAIN_S
        with self._views.lock:
            left = {uid: own for uid, own in self._unnoted.items() if pool.holds(uid, own)}
            self._unnoted = {}
        try:
            self._ledger.note_parked({uid: ",".join(map(str, own)) for uid, own in left.items()})
        except KubeError as error:
            log.warning("parked claims not noted", uids=list(left), error=str(error))
            with self._views.lock:
                self._unnoted = left | self._unnoted

    def forget(self, uid: str) -> None:
        """The PodDNAT is gone."""
        with self._views.lock:
            known = self._views.pool.hold(uid, ())
        if known:
            self._strike(uid)

    def _strike(self, *uids: str) -> None:
        """Take them out of the ledger. Nothing waits for it: the next start tries again."""
        try:
            self._ledger.note_parked(dict.fromkeys(uids))
        except KubeError as error:
            log.warning("ledger not updated", uids=uids, error=str(error))


def _read(text: str) -> Iterable[Endpoint]:
    return tuple(_endpoints(text.split(",")))


def _endpoints(parts: Iterable[str]) -> Iterator[Endpoint]:
    for part in parts:
        if (found := _ENDPOINT.fullmatch(part)) and 1 <= int(found[2]) <= 65535:
            yield Endpoint(found[1], int(found[2]), Protocol(found[3]))
