"""Reads of single objects past every cache, for decisions that must not rest on an old view."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import structlog

from dnatctl.clock import Clock
from dnatctl.control.state.refusals import PASSING
from dnatctl.kube.around import THE_DEFINITION, Surroundings
from dnatctl.kube.cache import Cache
from dnatctl.kube.client import KubeClient
from dnatctl.kube.errors import Failure, KubeError
from dnatctl.kube.pods import PodApi
from dnatctl.kube.workloads import WorkloadApi
from dnatctl.objects import Key, Owner, Pod, PodDNAT
from dnatctl.plan.deletion import WISHED, behind, unclear
from dnatctl.plan.values import Deletion, WorkloadAnswer

log = structlog.get_logger(__name__)

A = TypeVar("A")

MOST_NOTED = 100
"""Things that are missing, the latest: whoever may write a PodDNAT names owners of any kind."""


class _Missing(NamedTuple):
    """A leave, or an answer, that is missing: what it costs, and a PodDNAT that it was missing for.
    `of` is `permissions` or `lookups`.
    """

    text: str
    key: Key
    uid: str
    of: str = "permissions"


class KubeLookups:
    """Asks the API server. `going`: told that the definition of PodDNATs is being deleted.

    What is noted for a person ends with the PodDNATs that it is about.
    """

    def __init__(
        self,
        client: KubeClient,
        pods: PodApi,
        going: Callable[[], None],
        records: Cache[PodDNAT],
        clock: Clock,
    ) -> None:
        self._pods = pods
        self._workloads = WorkloadApi(client, clock)
        self._surroundings = Surroundings(client, self._workloads)
        self._going = going
        self._records = records
        self._missing: dict[str, _Missing] = {}
        """By leave, with the last PodDNAT that lacked it: all of them ask again and again."""

    def pod(self, key: Key) -> Pod | None:
        """The pod as it is now. Raises KubeError."""
        leave = "get pods"
        try:
            found = self._answered(leave, key, lambda: self._pods.get(key))
        except KubeError as error:
            if error.failure is Failure.FORBIDDEN:
                text = f"may not {leave}: claims end only where the watch told that their pods did"
                self._note(leave, _Missing(text, key, self._uid_of(key)))
            raise
        self._missing.pop(leave, None)
        return found

    def keeps(self, key: Key, owner: Owner) -> WorkloadAnswer:
        """What the workload says of the pod's name. Raises KubeError."""
        kind = f"{owner.kind} ({owner.api_version})"
        try:
            workload = self._answered(
                f"get {kind}", key, lambda: self._workloads.get(key.namespace, owner)
            )
        except KubeError as error:
            if error.failure is Failure.FORBIDDEN:
                text = f"may not get {kind}: claims of fixed pods of that kind are never given up"
                self._note(kind, _Missing(text, key, self._uid_of(key)))
                return WorkloadAnswer.UNREADABLE
            raise
        self._missing.pop(kind, None)
        if workload is None or workload.deleting:
            return WorkloadAnswer.GONE
        return WorkloadAnswer.WANTS if workload.keeps(key.name) else WorkloadAnswer.SHED

    def deletion(self, record: PodDNAT, pod: Pod, now: float) -> Deletion:
        """Why the record is being deleted, while its pod lives. Raises KubeError."""
        around = self._answered(
            "look at what a pod belongs to",
            record.key,
            lambda: self._surroundings.look(record, pod),
        )
        for leave in around.seen:
            self._missing.pop(leave, None)
        if around.going:
            log.info("release held", key=str(record.key), uid=record.uid, going=around.going)
            if around.going == THE_DEFINITION:
                self._going()
            return behind(around.going, now)
        if around.unseen:
            text = f"may not {around.unseen}: deleted PodDNATs are kept until their pods end"
            self._note(around.unseen, _Missing(text, record.key, record.uid))
            return unclear(around.unseen)
        return WISHED

    def notes(self) -> list[str]:
        """A line for all that a person has to see to, for `/readyz?verbose`."""
        missing = [m for m in self._missing.copy().values() if self._uid_of(m.key) == m.uid]
        return [f"[!]{m.of} {m.text}" for m in missing]

    def _answered(self, what: str, key: Key, ask: Callable[[], A]) -> A:
        """The answer; that there is none is noted until there is one. Raises KubeError."""
        noted = f"answer: {what}"
        try:
            answer = ask()
        except KubeError as error:
            if error.failure not in (*PASSING, Failure.FORBIDDEN):
                text = f"cannot {what} ({error}): PodDNATs that depend on it are left as they are"
                self._note(noted, _Missing(text, key, self._uid_of(key), "lookups"))
            raise
        self._missing.pop(noted, None)
        return answer

    def _note(self, what: str, missing: _Missing) -> None:
        self._missing.pop(what, None)
        self._missing[what] = missing
        for oldest in list(self._missing)[:-MOST_NOTED]:
            self._missing.pop(oldest, None)

    def _uid_of(self, key: Key) -> str:
        record = self._records.get(key)
        return record.uid if record is not None else ""
