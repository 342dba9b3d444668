"""The ledger: ConfigMaps in the controller's own namespace, under names that RBAC can list.

An adopted row has no mark, and a PodDNAT may be written by others, so that a row is ours is noted
where only the controller writes: each key is the ID of a forward entry, its value the gateway, the
UID of the PodDNAT that it was adopted for and the digest of that one's key, with slashes between.
Others hold parked claims, and facts about the installation.

A ConfigMap takes 1 MiB of values: a server took 17,000 adopted rows in one, and no more. As
etcd's own limit is 1.5 MiB with keys, and what the server notes about each, reckon with 10,000.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Final

import msgspec

from dnatctl.kube import answers, paths
from dnatctl.kube.client import MERGE_PATCH, KubeClient
from dnatctl.kube.errors import Failure, KubeError
from dnatctl.objects import Adopted

FACTS: Final = "dnatctl-ledger"
ADOPTED: Final = tuple(f"dnatctl-adopted-{each}" for each in "0123456789abcdefghijklmnopqrstuv")
"""Which of them is a gateway's, its ID says: 200 gateways of 500 rows each fit."""
PARKED: Final = tuple(f"dnatctl-parked-{each}" for each in "0123456789abcdef")
"""Which of them is a claim's, the UID of its PodDNAT says."""
NAMES: Final = (FACTS, *ADOPTED, *PARKED)
"""All that is ever read or written."""


class Ledger:
    """Reads and writes of the ledger. Every method raises KubeError."""

    def __init__(self, client: KubeClient, namespace: str) -> None:
        self._client = client
        self._namespace = namespace
        self._lock = threading.Lock()
        self._owed: defaultdict[str, set[str]] = defaultdict(set)
        """Rows that could not be taken out, by gateway: the next write to its share does it."""

    def load(self, gateway_id: str) -> dict[str, Adopted]:
        """What is noted for that gateway, by entry ID."""
        found = {}
        for entry_id, text in self._read(_of(ADOPTED, gateway_id)).items():
            whose, *noted = text.split("/")
            if whose == gateway_id and noted:
                uid, pod, *_ = (*noted, "")
                found[entry_id] = Adopted(uid, pod, gateway_id)
        return found

    def note(self, gateway_id: str, adopted: Mapping[str, Adopted]) -> None:
        """Note that these rows belong to these PodDNATs; durable when this returns."""
        noted = {i: f"{gateway_id}/{each.uid}/{each.pod}" for i, each in adopted.items()}
        self._write_adopted(gateway_id, noted)

    def strike(self, gateway_id: str, entry_ids: Iterable[str]) -> None:
        """Take rows that are gone out of the ledger; where that fails, the next write does it."""
        gone = frozenset(entry_ids)
        with self._lock:
            self._owed[gateway_id] |= gone
        self._write_adopted(gateway_id, {})

    def facts(self) -> dict[str, str]:
        """What is noted of the installation as a whole."""
        return self._read(FACTS)

    def note_facts(self, facts: Mapping[str, str | None]) -> None:
        """Note these facts, or with None take them out; durable when this returns."""
        self._write(FACTS, facts)

    def parked(self) -> dict[str, str]:
        """Endpoints of parked claims, by the UID of their PodDNAT."""
        found: dict[str, str] = {}
        for name in PARKED:
            found |= self._read(name)
        return found

    def note_parked(self, parked: Mapping[str, str | None]) -> None:
        """Note the endpoints of these PodDNATs (by UID), or with None take them out."""
        shards: dict[str, dict[str, str | None]] = defaultdict(dict)
        for uid, endpoints in parked.items():
            shards[_of(PARKED, uid)][uid] = endpoints
        for name, data in shards.items():
            self._write(name, data)

    def _write_adopted(self, gateway_id: str, noted: Mapping[str, str]) -> None:
        with self._lock:
            data = {**dict.fromkeys(self._owed[gateway_id]), **noted}
        self._write(_of(ADOPTED, gateway_id), data)
        with self._lock:
            self._owed[gateway_id].difference_update(data)

    def _read(self, name: str) -> dict[str, str]:
        try:
            body = self._client.request("GET", self._path(name))
        except KubeError as error:
            if error.says_gone(name):
                return {}
            raise
        return answers.read(_DECODER, body).data or {}

    def _write(self, name: str, data: Mapping[str, str | None]) -> None:
        try:
            self._patch(name, data)
        except KubeError as error:
            if error.failure is not Failure.NOT_FOUND:
                raise
            if kept := {k: v for k, v in data.items() if v is not None}:
                self._make(name, kept)

    def _make(self, name: str, data: dict[str, str]) -> None:
        try:
            self._create(name, data)
        except KubeError as error:
            if error.failure is not Failure.ALREADY_EXISTS:
                raise
            self._patch(name, data)  # another worker noted the first ones just now

    def _patch(self, name: str, data: Mapping[str, str | None]) -> None:
        body = {"data": data}
        self._client.request("PATCH", self._path(name), body=body, content_type=MERGE_PATCH)

    def _create(self, name: str, data: Mapping[str, str]) -> None:
        body = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "labels": {"app.kubernetes.io/managed-by": "dnatctl"}},
            "data": data,
        }
        self._client.request("POST", self._path(), body=body)

    def _path(self, *names: str) -> str:
        return paths.in_namespace("v1", self._namespace, "configmaps", *names)


class _ConfigMap(msgspec.Struct):
    data: dict[str, str] | None = None


_DECODER = msgspec.json.Decoder(_ConfigMap)


def _of(names: Sequence[str], identity: str) -> str:
    """The same at every start and in every version: what is noted is looked for there."""
    return names[sha256(identity.encode()).digest()[0] % len(names)]
