"""The ledger of adopted rows: ConfigMaps in the controller's own namespace, one a gateway.

An adopted row has no mark, and a PodDNAT may be written by others, so that a row is ours is noted
where only the controller writes. Each key is the ID of a forward entry, its value the UID of the
PodDNAT that it was adopted for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import orjson

from dnatctl.kube.client import MERGE_PATCH, KubeClient
from dnatctl.kube.errors import Failure, KubeError

PREFIX = "dnatctl-adopted-"


class Ledger:
    """Reads and writes of the ledger. Every method raises KubeError."""

    def __init__(self, client: KubeClient, namespace: str) -> None:
        self._client = client
        self._path = f"/api/v1/namespaces/{namespace}/configmaps"

    def load(self, gateway_id: str) -> dict[str, str]:
        """What is noted for that gateway: UIDs by entry ID."""
        try:
            body = self._client.request("GET", self._name(gateway_id))
        except KubeError as error:
            if error.failure is Failure.NOT_FOUND:
                return {}
            raise
        return orjson.loads(body).get("data") or {}

    def note(self, gateway_id: str, adopted: Mapping[str, str]) -> None:
        """Note that these rows belong to these PodDNATs; durable when this returns."""
        self._patch(gateway_id, dict(adopted))

    def strike(self, gateway_id: str, entry_ids: Iterable[str]) -> None:
        """Take rows that are gone out of the ledger."""
        self._patch(gateway_id, dict.fromkeys(entry_ids))

    def _patch(self, gateway_id: str, data: Mapping[str, str | None]) -> None:
        patch = {"data": data}
        try:
            self._client.request(
                "PATCH", self._name(gateway_id), body=patch, content_type=MERGE_PATCH
            )
        except KubeError as error:
            if error.failure is not Failure.NOT_FOUND:
                raise
            self._create(gateway_id, {k: v for k, v in data.items() if v is not None})

    def _create(self, gateway_id: str, data: Mapping[str, str]) -> None:
        body = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": PREFIX + gateway_id.lower(),
                "labels": {"app.kubernetes.io/managed-by": "dnatctl"},
            },
            "data": data,
        }
        self._client.request("POST", self._path, body=body)

    def _name(self, gateway_id: str) -> str:
        return f"{self._path}/{PREFIX}{gateway_id.lower()}"
