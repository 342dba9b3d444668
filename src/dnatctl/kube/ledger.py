"""The ledger of adopted rows: ConfigMaps in the controller's own namespace, one a gateway.

An adopted row has no mark, and a PodDNAT may be written by others, so that a row is ours is noted
where only the controller writes. Each key is the ID of a forward entry, its value the UID of the
PodDNAT that it was adopted for. Others hold parked claims, and facts about the installation.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from hashlib import sha256

import msgspec

from dnatctl.kube import answers, paths
from dnatctl.kube.client import MERGE_PATCH, KubeClient
from dnatctl.kube.errors import Failure, KubeError

PREFIX = "dnatctl-adopted-"
FACTS = "dnatctl-ledger"
PARKED = "dnatctl-parked-"
SHARDS = "0123456789abcdef"
"""Parked claims are spread over so many ConfigMaps: one takes 1 MiB."""


class Ledger:
    """Reads and writes of the ledger. Every method raises KubeError."""

    def __init__(self, client: KubeClient, namespace: str) -> None:
        self._client = client
        self._namespace = namespace

    def load(self, gateway_id: str) -> dict[str, str]:
        """What is noted for that gateway: UIDs by entry ID."""
        return self._read(_adopted(gateway_id))

    def note(self, gateway_id: str, adopted: Mapping[str, str]) -> None:
        """Note that these rows belong to these PodDNATs; durable when this returns."""
        self._write(_adopted(gateway_id), dict(adopted))

    def strike(self, gateway_id: str, entry_ids: Iterable[str]) -> None:
        """Take rows that are gone out of the ledger."""
        self._write(_adopted(gateway_id), dict.fromkeys(entry_ids))

    def facts(self) -> dict[str, str]:
        """What is noted of the installation as a whole."""
        return self._read(FACTS)

    def note_facts(self, facts: Mapping[str, str | None]) -> None:
        """Note these facts, or with None take them out; durable when this returns."""
        self._write(FACTS, facts)

    def parked(self) -> dict[str, str]:
        """Endpoints of parked claims, by the UID of their PodDNAT."""
        found: dict[str, str] = {}
        for shard in SHARDS:
            found |= self._read(PARKED + shard)
        return found

    def note_parked(self, parked: Mapping[str, str | None]) -> None:
        """Note the endpoints of these PodDNATs (by UID), or with None take them out."""
        shards: dict[str, dict[str, str | None]] = defaultdict(dict)
        for uid, endpoints in parked.items():
            shards[sha256(uid.encode()).hexdigest()[0]][uid] = endpoints
        for shard, data in shards.items():
            self._write(PARKED + shard, data)

    def _read(self, name: str) -> dict[str, str]:
        try:
            body = self._client.request("GET", self._path(name))
        except KubeError as error:
            if error.failure is Failure.NOT_FOUND:
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


def _adopted(gateway_id: str) -> str:
    return PREFIX + gateway_id.lower()
