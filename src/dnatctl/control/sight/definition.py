"""Looks after the definition of PodDNATs: that it is there, and ours, is not in our hands."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final, NamedTuple

import structlog

from dnatctl.clock import Clock
from dnatctl.kube import definition
from dnatctl.kube.around import THE_DEFINITION
from dnatctl.kube.client import KubeClient
from dnatctl.kube.errors import Failure, KubeError
from dnatctl.kube.poddnats import PodDNATApi, known_uids
from dnatctl.observe.metrics import DEFINITION_TROUBLE, Metrics

log = structlog.get_logger(__name__)


AGAIN_S: Final = 5.0
"""How often is looked while something is wrong."""


OLDER: Final = "older"


class _Trouble(NamedTuple):
    """`kind`: of DEFINITION_TROUBLE; `reason`: of the event; `text`: what is wrong, what to do."""

    kind: str
    reason: str
    text: str


GOING: Final = _Trouble(
    "going",
    "DefinitionGoes",
    f"{THE_DEFINITION} is being deleted, and all PodDNATs with it: no pod that runs is cut off, "
    "and none is exposed anew. It goes when the last of these pods has ended: install it again "
    f"then: {definition.MEND}",
)
GONE: Final = _Trouble(
    "gone",
    "DefinitionGone",
    f"{THE_DEFINITION} is gone: entries stay as they are, and no pod is exposed. Install it: "
    f"{definition.MEND}",
)


class DefinitionKeeper:
    """Looks at the definition now and then, and when there is a reason to.

    `tell` is given a reason and a text for whoever looks after the controller.
    """

    def __init__(
        self,
        client: KubeClient,
        records: PodDNATApi,
        metrics: Metrics,
        tell: Callable[[str, str], None],
        clock: Clock,
    ) -> None:
        self._client = client
        self._records = records
        self._metrics = metrics
        self._tell = tell
        self._clock = clock
        self._looked = float("-inf")
        self._due = threading.Event()
        self._trouble: _Trouble | None = None
        self._known = False
        """Whether it was looked at before."""
        self._created = ""
        """Its creationTimestamp, as it was last looked at."""
        self.is_back: Callable[[], None] = lambda: None
        """Told when there is a definition again."""

    def doubt(self) -> None:
        """Something about the definition is not as it was: look soon. From any thread."""
        self._due.set()

    def lost(self) -> None:
        """PodDNATs are not served as they were asked for: find out how they are, at once."""
        self._due.set()
        self._look_up_version()

    def _look_up_version(self) -> None:
        try:
            self._records.served.look()
        except KubeError as error:
            log.warning("no PodDNATs: is the CRD installed?", error=str(error))

    def pulse(self, resync: float) -> None:
        """To be called about every second: looks each `resync` seconds, and where in doubt."""
        now = self._clock.monotonic()
        every = min(AGAIN_S, resync) if self._trouble else resync
        if self._due.is_set() or now - self._looked >= every:
            self._looked = now
            self._due.clear()
            self.look()

    def look(self) -> None:
        """Look now: at the version, the fields, and whether it is going. Never raises KubeError."""
        try:
            found = definition.look(self._client)
        except KubeError as error:
            if error.failure is Failure.NOT_FOUND:
                self._found(GONE)
            else:
                # It may be forbidden, or the server away: then go by what every account may read.
                log.info("definition not looked at", error=str(error))
                self._records.read_schema()
            return
        self._look_up_version()  # that none is served just now is no word about the definition
        self._judge(found)

    def undefined(self) -> bool:
        """Whether there was no definition when it was last looked at, or it was going."""
        return self._trouble in (GOING, GONE)

    def went_along(self, created: str) -> bool:
        """Whether a PodDNAT that is gone, and had that creationTimestamp, went with its definition:
        that is going or gone, or there is a newer one."""
        # Both are RFC 3339 in UTC, to the second: they compare as text.
        return self.undefined() or "" < created < self._created

    def known_uids(self) -> set[str]:
        """The UIDs of all PodDNATs, as the API server's majority has them now: none where it has
        no definition of them. Raises KubeError, and ValueError where one cannot be read.
        """
        try:
            return known_uids(self._client, self._records.served)
        except KubeError as error:
            if error.failure is not Failure.UNSERVED or definition.is_there(self._client):
                raise
            return set()

    def notes(self) -> list[str]:
        """A line where a person has to see to it, for `/readyz?verbose`."""
        return [f"[!]{self._trouble.text}"] if self._trouble else []

    def _judge(self, found: definition.Definition) -> None:
        self._created = found.created
        self._records.prunes_conditions = definition.CONDITIONS in found.lacks
        if found.going:
            self._found(GOING)
        else:
            self._found(_older(found.lacks) if found.lacks else None)

    def _found(self, trouble: _Trouble | None) -> None:
        for kind in DEFINITION_TROUBLE:
            self._metrics.definition_trouble.labels(kind).set(
                trouble is not None and trouble.kind == kind
            )
        changed, known, missed = trouble != self._trouble, self._known, self.undefined()
        self._trouble, self._known = trouble, True
        if not changed:
            return
        if missed and not self.undefined():
            self.is_back()
        if trouble is None:
            log.info("the definition of PodDNATs is as it should be")
            return
        log.error(trouble.text, reason=trouble.reason)
        if known or trouble.kind != OLDER:  # a start where it was older before writes nothing
            self._tell(trouble.reason, trouble.text)


def _older(lacks: tuple[str, ...]) -> _Trouble:
    return _Trouble(
        OLDER,
        "DefinitionOlder",
        f"{THE_DEFINITION} is not dnatctl's and lacks {', '.join(lacks)}: pods stay "
        f"exposed, but what it lacks is lost. Put ours back: {definition.MEND}",
    )
