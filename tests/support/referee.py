"""The rules that must hold at every moment, checked while a test runs, not only at its end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

from dnatctl.objects import FINALIZER
from dnatctl.table.marks import Marks
from dnatctl_sim.cloud import Cloud, rows
from dnatctl_sim.cloud.calls import Call
from dnatctl_sim.kube import KubeServer
from dnatctl_sim.kube.core.collection import Change, ChangeType

Object = dict[str, Any]
Claimed = tuple[str, str, str]

RECORDS = "poddnats.alibabacloud.com"


class Referee:
    """Looks at each write at the moment it takes effect, and notes what breaks a rule.

    `forged`: names of PodDNATs that a test wrote itself, which may claim what they like. `meddled`:
    IDs of rows that somebody else changed: what status says of them may be old for a moment.
    `adopted`: unmarked rows that may be written to. `neighbours`: names of rows that another
    cluster writes. `mute`: names of PodDNATs whose status the API server does not store: what it
    says of a pod that has left the address is not waited for. `kept`: UIDs of PodDNATs that the API
    server does not let go: with no row left, what they claim may be handed out. `edited`: names of
    PodDNATs whose claim somebody takes back while a row for it may be on its way.
    """

    def __init__(self, marks: Marks, kube: KubeServer, cloud: Cloud, quarantine_s: float) -> None:
        self.violations: list[str] = []
        self.meddled: set[str] = set()
        self.adopted: set[str] = set()
        self.neighbours = ""
        self.mute: set[tuple[str, str]] = set()
        self.forged: set[tuple[str, str]] = set()
        self.kept: set[str] = set()
        self.edited: set[tuple[str, str]] = set()
        self._marks = marks
        self._kube = kube
        self._cloud = cloud
        self._quarantine_s = quarantine_s
        self._lock = threading.Lock()
        self._claims: dict[str, set[Claimed]] = {}
        self._left: dict[Claimed, tuple[str, float]] = {}
        kube.store.raw.subscribe(self._changed)

    # --- the table

    def committing(self, call: Call) -> None:
        """A write to a table is about to take effect."""
        row = self._row(call.entry_id) if call.entry_id else None
        name = (row or {"name": call.name})["name"]
        if self._marks.stranger(name) or (self.neighbours and name.startswith(self.neighbours)):
            return  # that cluster's own referee sees it as well
        if call.api == "CreateForwardEntry":
            self._creating(call)
            return
        if row is None:
            return
        owner = self._marks.owner(row["name"])
        if not owner and call.entry_id not in self.adopted:
            self._note(f"{call.api} touches the foreign row {row}")
        if call.api == "DeleteForwardEntry":
            self._deleting(call, row, owner)

    def _creating(self, call: Call) -> None:
        uid = self._marks.owner(call.name)
        ip, _, port = call.external.rpartition(":")
        protocol = call.protocol.lower()
        record = next((r for r in self._records() if r["metadata"]["uid"] == uid), None)
        if record is None:
            self._note(f"row {call.external} created for {call.name}, whose PodDNAT does not exist")
            return
        for number in _ports(port):
            claimed = (ip, str(number), protocol)
            if claimed not in set(claims_of(record)) and _key(record) not in self.edited:
                self._note(f"row {call.external}/{protocol} created before it was claimed")
            user, since = self._left.get(claimed, (uid, 0.0))
            rested = time.monotonic() - since
            if user != uid and rested < self._quarantine_s:
                self._note(f"{claimed} handed out {rested:.2f} s after another pod left it")

    def _deleting(self, call: Call, row: Object, owner: str) -> None:
        listed = any(
            entry["forwardEntryId"] == call.entry_id
            for record in self._records()
            if not (_key(record) in self.mute and self._has_left(record, row))
            for entry in record.get("status", {}).get("entries", [])
        )
        if listed:
            self._note(f"row {row} deleted while status lists it")
        with self._lock:
            for number in _ports(str(row["external_port"])):
                place = (row["external_ip"], str(number), row["protocol"])
                self._left[place] = (owner, time.monotonic())

    # --- PodDNATs

    def _changed(self, collection: str, change: Change) -> None:
        if collection != RECORDS:
            return
        record, before = change.new.load(), change.old.load() if change.old else {}
        had = FINALIZER in before.get("metadata", {}).get("finalizers", [])
        has = FINALIZER in record["metadata"].get("finalizers", [])
        if change.type is ChangeType.DELETED or (had and not has):
            self._let_go(record, was_held=had)
            return
        self._claimed(record)
        self._listed(record, before)

    def _let_go(self, record: Object, *, was_held: bool) -> None:
        uid = record["metadata"]["uid"]
        with self._lock:
            self._claims.pop(uid, None)
        left = self._rows_of(uid)
        if left and was_held:
            self._note(f"finalizer of {_name(record)} taken off while rows are left: {left}")

    def _claimed(self, record: Object) -> None:
        uid, mine = record["metadata"]["uid"], set(claims_of(record))
        if _key(record) in self.forged:
            return
        over = {kept for kept in self.kept if not self._rows_of(kept)}
        with self._lock:
            known, self._claims[uid] = self._claims.get(uid), mine
            others = [u for u, taken in self._claims.items() if u != uid and taken & mine]
        if set(others) - over and not (uid in over and known == mine):
            self._note(f"{_name(record)} claims {mine}, which {others} claim as well")

    def _listed(self, record: Object, before: Object) -> None:
        known = before.get("status", {}).get("entries", [])
        new = [e for e in record.get("status", {}).get("entries", []) if e not in known]
        if not new or _key(record) in self.forged:
            return
        # Read once: this is under the lock of the emulated API server, which answers nobody else.
        by_id = {row["entry_id"]: row for row in rows(self._cloud)}
        for entry in new:
            if entry["forwardEntryId"] in self.meddled:
                continue
            row = by_id.get(entry["forwardEntryId"])
            if row is None or row["status"] != "Available" or not _says(entry, row):
                self._note(f"{_name(record)} lists {entry}, but the row is {row}")

    # --- small parts

    def _note(self, text: str) -> None:
        with self._lock:
            self.violations.append(text)

    def _has_left(self, record: Object, row: Object) -> bool:
        """Whether the pod of the record's name does not have the address that the row leads to."""
        pod = self._kube.store.get("pods", *_key(record)) or {}
        return bool(pod.get("status", {}).get("podIP") != row["internal_ip"])

    def _records(self) -> list[Object]:
        try:
            return self._kube.store.list(RECORDS)
        except KeyError:  # their definition is gone
            return []

    def _rows_of(self, uid: str) -> list[Object]:
        return [r for r in map(dict, rows(self._cloud)) if self._marks.owner(r["name"]) == uid]

    def _row(self, entry_id: str) -> Object | None:
        return next((dict(r) for r in rows(self._cloud) if r["entry_id"] == entry_id), None)


def claims_of(record: Object) -> Iterator[Claimed]:
    """The endpoints that a PodDNAT claims: IP, port, protocol."""
    spec = record.get("spec", {})
    for port in spec.get("portMapping", []):
        protocol = port.get("protocol") or spec.get("protocol", "tcp")
        yield spec.get("externalIP", ""), port["externalPort"], protocol.lower()


def _ports(text: str) -> range:
    first, _, last = text.partition("/")
    return range(int(first), int(last or first) + 1)


def _says(entry: Object, row: Object) -> bool:
    external, internal = _ports(str(row["external_port"])), _ports(str(row["internal_port"]))
    port = int(entry["externalPort"])
    return (
        entry["externalIP"] == row["external_ip"]
        and port in external
        and entry["internalIP"] == row["internal_ip"]
        and int(entry["internalPort"]) == internal[external.index(port)]
    )


def _key(record: Object) -> tuple[str, str]:
    return record["metadata"].get("namespace", ""), record["metadata"]["name"]


def _name(record: Object) -> str:
    return "/".join(_key(record))
