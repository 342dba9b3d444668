"""Which cluster this is, and whether it may work under its cluster ID.

The mark on a row names the cluster by the ID in the configuration. A copied configuration is the
same on two clusters; the UID of the namespace kube-system is not. It is noted in the ledger.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec
import structlog

from dnatctl.control.cluster.parked import Parked
from dnatctl.control.gateway.sweeper import shared
from dnatctl.control.settings import Settings
from dnatctl.control.state.views import Views
from dnatctl.kube import answers, paths
from dnatctl.kube.client import KubeClient
from dnatctl.kube.errors import Failure, KubeError
from dnatctl.kube.events import EventRecorder
from dnatctl.kube.ledger import FACTS, Ledger
from dnatctl.objects import Key
from dnatctl.observe.metrics import CONTROLLER
from dnatctl.table.marks import tag_of
from dnatctl.table.orphans import MANY
from dnatctl.times import format_time, parse_time

log = structlog.get_logger(__name__)

CLUSTER, WORKED_AS, BRAKED = "cluster", "clusterID", "orphansHeld"
"""Facts in the ledger: the UID of kube-system, the cluster IDs under which this cluster has worked
(the latest first, separated by commas), and whether there were too many orphans to delete any."""

MIGRATING = "takeOverSince"
"""A fact in the ledger: when dnatctl first worked with `takeOver`; gone when it works without."""

MIGRATION_S = 3600.0
"""How long `takeOver` lasts, in seconds: what an older controller left is adopted at once, and who
may write PodDNATs is not to have the word for longer."""

ASK_AGAIN_S = 1.0
"""How often to look whether what speaks against working here is over, in seconds."""


class _NamespaceMetadata(msgspec.Struct):
    uid: str


class _NamespaceJson(msgspec.Struct):
    metadata: _NamespaceMetadata


_NAMESPACE = msgspec.json.Decoder(_NamespaceJson)


def cluster_uid(client: KubeClient) -> str:
    """The UID of the namespace kube-system; empty where it may not be read. Raises KubeError."""
    try:
        body = client.request("GET", paths.path("api", "v1", "namespaces", "kube-system"))
    except KubeError as error:
        if error.failure in (Failure.FORBIDDEN, Failure.NOT_FOUND):
            return ""
        raise
    return answers.read(_NAMESPACE, body).metadata.uid


def teller(
    events: EventRecorder, namespace: str, lease_uid: Callable[[], str]
) -> Callable[[str, str], None]:
    """Tells those who look after the controller: reason and text, as an event on its Lease.

    `lease_uid`: kubectl shows events of an object by its UID.
    """

    def tell(reason: str, text: str) -> None:
        lease = Key(namespace, CONTROLLER)
        events.record("Lease", lease, lease_uid(), "Warning", reason, "Control", text)

    return tell


class Identity:
    """What is known of this cluster. In a dry run nothing is written to the ledger."""

    def __init__(
        self, client: KubeClient, ledger: Ledger, views: Views, settings: Settings
    ) -> None:
        self._client = client
        self._ledger = ledger
        self._views = views
        self._note = not settings.dry_run
        self._settings = settings
        self.parked = Parked(ledger, views, note=self._note)
        self._migrating: datetime | None = None
        self._facts: dict[str, str] = {}
        self.known = True
        """Whether rows of another cluster with the same cluster ID can be told."""

    @property
    def braked(self) -> bool:
        """Whether orphans are held, as the last leader left it."""
        return BRAKED in self._facts

    def learn(self) -> str:
        """Find out which cluster this is; returns why it cannot work here, empty if it can.

        To be called before any table is read. Raises KubeError.
        """
        uid = cluster_uid(self._client)
        self._facts = self._ledger.facts()
        noted = self._facts.get(CLUSTER, "")
        if uid and noted and uid != noted:
            return (
                f"the ledger in this namespace was made by another cluster (kube-system {noted}, "
                f"here {uid}): delete the ConfigMaps {FACTS}, dnatctl-adopted-* and "
                "dnatctl-parked-*, which were copied"
            )
        self._facts[CLUSTER] = uid or noted
        self.known = bool(self._facts[CLUSTER])
        here = self._views.marks.cluster_id
        former = tuple(name for name in self._worked_as if name != here)
        self._views.identify(tag_of(self._facts[CLUSTER]), former)
        self.parked.load()
        if not self.known:
            log.warning(
                "may not get the namespace kube-system: another cluster with the same clusterID "
                "cannot be told from this one"
            )
        return ""

    @property
    def settled(self) -> bool:
        """Whether this cluster has worked under its cluster ID before: no table need be read to
        know that it may go on."""
        return self._worked_as[:1] == [self._views.marks.cluster_id]

    @property
    def _worked_as(self) -> list[str]:
        noted = self._facts.get(WORKED_AS, "")
        return [cluster_id for cluster_id in noted.split(",") if cluster_id]

    def settle(self) -> str:
        """Whether to begin work; returns why not. All tables have been read unless it is `settled`.

        A cluster that has never worked under its cluster ID does not begin beside another that
        does. One that has goes on: the rows of the other are left alone. Raises KubeError.
        """
        marks = self._views.marks
        if not self.settled and not self._views.claimed_rows():
            if others := self._views.rows_of_others():
                return shared(marks, others)
            if (orphans := self._views.orphans()) > MANY:
                return (
                    f"{orphans} entries carry the clusterID {marks.cluster_id}, and this cluster "
                    "has made none of them: give it a clusterID of its own, or, if nobody needs "
                    "them any more, run `dnatctl gc`"
                )
        self._follow_migration()
        if self._worked_as and not self.settled:
            log.warning(
                "clusterID is not the one of before; entries made under that are kept as they are",
                before=marks.former[0] if marks.former else "",
                now=marks.cluster_id,
            )
        worked_as = ",".join((marks.cluster_id, *marks.former))
        self._remember({CLUSTER: self._facts[CLUSTER], WORKED_AS: worked_as})
        return ""

    def migrating_since(self) -> datetime | None:
        """When the migration began that `takeOver` asks for; None if it is over, or none is."""
        since = self._migrating if self._settings.config.take_over else None
        if since is None or (self._views.clock.now() - since).total_seconds() > MIGRATION_S:
            return None
        return since

    def pulse(self) -> None:
        """Time goes by: `takeOver` may have come into the configuration, or have gone from it, and
        the ledger may take what it refused."""
        self.parked.pulse()
        if self._settings.config.take_over == (self._migrating is not None):
            return
        try:
            self._follow_migration()
        except KubeError as error:  # tried again at the next pulse
            log.warning("takeOver not noted", error=str(error))

    def _follow_migration(self) -> None:
        if not self._settings.config.take_over:
            self._remember({MIGRATING: None})
            self._facts.pop(MIGRATING, None)
            self._migrating = None
            return
        now = self._views.clock.now()
        since = min(parse_time(self._facts.get(MIGRATING, "")) or now, now)
        self._remember({MIGRATING: format_time(since)})
        self._migrating = since
        until = format_time(since + timedelta(seconds=MIGRATION_S))
        if self.migrating_since():
            log.warning("taking over what PodDNATs of an older controller record", until=until)
        else:
            log.warning("takeOver is over: take it out of the configuration", since=until)

    def note_braked(self, braked: bool) -> None:
        """Have the next leader know whether there are too many orphans. Raises KubeError."""
        self._remember({BRAKED: "true" if braked else None})
        self._facts.pop(BRAKED, None)
        if braked:
            self._facts[BRAKED] = "true"

    def _remember(self, facts: dict[str, str | None]) -> None:
        known = self._ledger.facts() if self._note else facts
        if any(known.get(fact) != value for fact, value in facts.items()):
            self._ledger.note_facts(facts)


class Permission:
    """Waits until nothing speaks against working here, and says what does."""

    def __init__(self, stop: threading.Event, tell: Callable[[str, str], None]) -> None:
        self._stop = stop
        self.tell = tell
        self.refused = ""
        """Why there is no work yet."""

    def wait(self, ask: Callable[[], str]) -> bool:
        """Ask until there is no answer any more; False to stop."""
        while not self._stop.is_set():
            before = self.refused
            try:
                self.refused = ask()
            except (KubeError, ValueError) as error:
                self.refused = str(error)
            if not self.refused:
                return True
            if self.refused != before:
                log.error("not working", error=self.refused)
                self.tell("NotWorking", self.refused)
            self._stop.wait(ASK_AGAIN_S)
        return False
