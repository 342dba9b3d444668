"""Rows that become a PodDNAT's: noted in the ledger first, so that a restart knows of them."""

from __future__ import annotations

from dnatctl.control.state.refusals import not_noted
from dnatctl.control.state.views import Views
from dnatctl.kube.errors import KubeError
from dnatctl.kube.ledger import Ledger
from dnatctl.objects import Adopted, Key, PodDNAT
from dnatctl.plan.exposure import Problem
from dnatctl.plan.values import Adopt, Seen


class Adopter:
    """Notes them. Of one name no two methods are called at once."""

    def __init__(self, ledger: Ledger, views: Views) -> None:
        self._ledger = ledger
        self._views = views
        self._unnoted: dict[Key, tuple[str, Adopt]] = {}
        """What is held here alone, as the ledger did not take it, with the PodDNAT's UID."""

    def adopt(self, record: PodDNAT, step: Adopt) -> None:
        """Note the rows, then hold them. Raises KubeError."""
        self._note(record, step)
        self._views.adopt(_adopted(record, step))

    def adopt_unnoted(self, record: PodDNAT, step: Adopt) -> None:
        """Hold the rows, which cannot be noted, so that they go with their pod, before they lead to
        whoever has its IP next. A restart finds out anew, while there is the PodDNAT."""
        self._unnoted[record.key] = record.uid, step
        self._views.adopt(_adopted(record, step))

    def note_late(self, seen: Seen) -> Problem | None:
        """Note what could not be noted; what to tell where it still cannot."""
        uid, step = self._unnoted.get(seen.key, ("", None))
        if step is None:
            return None
        if seen.record is not None and seen.record.uid == uid:
            try:
                self._note(seen.record, step)
            except KubeError as error:
                return not_noted(seen.key, error)
        del self._unnoted[seen.key]  # noted, or of a PodDNAT that is gone
        return None

    def load(self, gateway_id: str) -> None:
        """Hold what the ledger says: a note of our own may have been stored without an answer.
        Raises KubeError."""
        self._views.adopt(self._ledger.load(gateway_id))

    def _note(self, record: PodDNAT, step: Adopt) -> None:
        self._ledger.note(step.gateway_id, _adopted(record, step))


def _adopted(record: PodDNAT, step: Adopt) -> dict[str, Adopted]:
    adopted = Adopted(record.uid, record.key.digest, step.gateway_id)
    return dict.fromkeys(step.entry_ids, adopted)
