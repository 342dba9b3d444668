"""What a refusal of a write is held against; the pool remembers it (`dnatctl.pool.trust`)."""

from __future__ import annotations

from dnatctl.cloud.errors import CloudError
from dnatctl.control.gateway.listener import Listener
from dnatctl.control.gateway.mends import mend, words
from dnatctl.control.state.views import Views
from dnatctl.model import Endpoint, NewEntry
from dnatctl.pool import Target
from dnatctl.table.standstill import Standstill
from dnatctl.table.writes import CreateRow, PendingWrite

FRUITLESS_S = 60.0
"""After so long without a row made, while another gateway takes rows, it is no passing matter."""

FRUITLESS_IDLE_S = 120.0
"""After so long without a try it is another story: tries of a create that gets no answer are up to
a minute apart."""

AGAIN_S = 12.0
"""The same, where that was known and it is tried again: before others follow who tries it (see
`pool.trust.SCOUT_S`)."""


class Blame:
    """Tells the pool of one gateway's refusals, and everybody concerned if that changes a thing."""

    def __init__(self, gateway_id: str, views: Views, listener: Listener) -> None:
        self._gateway_id = gateway_id
        self._views = views
        self._listener = listener
        self._fruitless = Standstill(FRUITLESS_IDLE_S)
        """Creates that came to nothing, whatever was answered, since the last that was accepted."""

    def accepted(self, uid: str, ip: str) -> None:
        """A row was made on that IP."""
        self._fruitless.over()
        with self._views.lock:
            now = self._views.clock.monotonic()
            news = self._views.pool.trust.accepted(uid, self._gateway_id, ip, now)
            self._forget_if_gone(uid)
        self._tell(news=news)

    def everything(self, ip: str, error: CloudError, *, firm: bool = False) -> None:
        """No row can be made on that IP, or without one on this gateway.

        `firm`: the code says so, so that it is not even tried where there is nothing else.
        """
        with self._views.lock:
            now = self._views.clock.monotonic()
            target = Target(self._gateway_id, ip)
            why = words(error) + mend(error)
            news = self._views.pool.trust.mark(target, why, now, firm=firm)
        self._tell(news=news)

    def unforeseen(self, uid: str, entry: NewEntry, error: CloudError) -> None:
        """The code does not say what is wrong. If the table does, nobody else is to blame."""
        endpoint = Endpoint(entry.external_ip, entry.external_ports.first, entry.protocol)
        with self._views.lock:
            if self._is_taken(entry):
                return
            now, trust = self._views.clock.monotonic(), self._views.pool.trust
            news = trust.refused(uid, self._gateway_id, endpoint, words(error), now)
            self._forget_if_gone(uid)
        self._tell(news=news)

    def given_up(self, ip: str, error: CloudError) -> None:
        """Creates there have long got no answer, or are said to come too early; others go well."""
        why = f"no create there ends well, while others are accepted: {error.text}"
        with self._views.lock:
            now = self._views.clock.monotonic()
            news = self._views.pool.trust.mark(Target(self._gateway_id, ip), why, now)
        self._tell(news=news)

    def fruitless(self, error: CloudError) -> None:
        """A create came to nothing, for no fault of its own: the table is busy, or nobody answers.

        That is the gateway, if it goes on while another one takes rows: who waits here for a first
        row may have it there.
        """
        target = Target(self._gateway_id)
        why = f"no create there ends well, while other gateways take theirs: {error.text}"
        with self._views.lock:
            now, trust = self._views.clock.monotonic(), self._views.pool.trust
            self._fruitless.refused(now)
            enough = AGAIN_S if trust.is_marked(target) else FRUITLESS_S
            if self._fruitless.lasted < enough:
                return
            beside = trust.accepted_beside(self._gateway_id, self._fruitless.since)
            news = beside and trust.mark(target, why, now)
        self._tell(news=news)

    def is_own(self, pending: PendingWrite) -> bool:
        """Whether what has the address is a row of the same PodDNAT that readings lack still."""
        if not isinstance(pending.write, CreateRow):
            return False
        with self._views.lock:
            now, table = self._views.clock.monotonic(), self._views.table(self._gateway_id)
            return table.recall(pending.uid, pending.write.entry, now)

    def _forget_if_gone(self, uid: str) -> None:
        """One that went while its write was on its way was forgotten before this was noted."""
        if self._views.records.key_of(uid) is None:
            self._views.pool.trust.forget(uid)

    def _is_taken(self, entry: NewEntry) -> bool:
        """Whether the table, as last read, has a row for one of the addresses."""
        table, protocol = self._views.table(self._gateway_id), entry.protocol
        return any(
            table.covering(Endpoint(entry.external_ip, external, protocol))
            or table.holding(entry.internal_ip, internal, protocol)
            for external, internal in zip(entry.external_ports, entry.internal_ports, strict=True)
        )

    def _tell(self, *, news: bool) -> None:
        if news:
            self._listener.gateway_changed(self._gateway_id)
