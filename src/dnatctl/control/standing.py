"""How a replica stands: what it is, what it waits for, what is wrong; for probes and people."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from dnatctl.clock import Clock
from dnatctl.kube.informer import Informer
from dnatctl.objects import Pod, PodDNAT
from dnatctl.status.document import Leadership
from dnatctl.times import format_time


class Standing:
    """The state of one replica. `stop` is set when it is to end.

    `obstacle` says what else keeps a leader from working; `notes` are lines of what is wrong and
    stops nothing; `holder` is who leads, as far as is known; `spaces` says why it is not known
    which labels namespaces have, where they decide.
    """

    def __init__(
        self,
        identity: str,
        pods: Informer[Pod],
        records: Informer[PodDNAT],
        stop: threading.Event,
        clock: Clock,
        *,
        obstacle: Callable[[], str],
        notes: Callable[[], Iterable[str]],
        holder: Callable[[], str],
        spaces: Callable[[], str],
    ) -> None:
        self.leading = threading.Event()
        self.working = False
        """Whether it leads, and has begun to work."""
        self._identity = identity
        self._pods = pods
        self._records = records
        self._stop = stop
        self._clock = clock
        self._obstacle = obstacle
        self._notes = notes
        self._holder = holder
        self._spaces = spaces
        self._since = ""

    def led(self) -> None:
        """This replica leads from now on."""
        self._since = format_time(self._clock.now())
        self.leading.set()

    def synced(self) -> bool:
        """Whether all has been listed that decisions rest on."""
        return not self.check_caches()

    def check_caches(self) -> str:
        """What is wrong with the caches."""
        caches = (self._pods, self._records)
        if all(each.synced.is_set() for each in caches):
            return self._spaces()
        why = "; ".join(f"{each.resource}: {each.trouble}" for each in caches if each.trouble)
        return f"pods or PodDNATs have not been listed yet{': ' if why else ''}{why}"

    def check_pool(self) -> str:
        """What keeps a leader from handing out endpoints."""
        if self._stop.is_set():
            return "stopping"
        if not self.leading.is_set() or self.working:
            return ""
        return self._obstacle()

    def waits_for(self) -> list[str]:
        """All that it waits for."""
        return [why for why in (self.check_caches(), self.check_pool()) if why]

    def notes(self) -> list[str]:
        """Lines for `/readyz?verbose`: the role, and what is wrong."""
        return [f"[ ]role {'leader' if self.leading.is_set() else 'standby'}", *self._notes()]

    def troubles(self) -> list[str]:
        """What is wrong, for people."""
        return [note.partition("]")[2] for note in self._notes()]

    def lease(self) -> Leadership:
        """Who leads."""
        leading = self.leading.is_set()
        holder = self._identity if leading else self._holder()
        return Leadership(
            leading=leading, identity=self._identity, holder=holder, since=self._since
        )
