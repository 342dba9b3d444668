"""The ConfigMap that holds what people have ordered."""

from __future__ import annotations

from datetime import datetime

import msgspec

from dnatctl.kube import answers, paths
from dnatctl.kube.client import MERGE_PATCH, KubeClient
from dnatctl.kube.errors import Failure, KubeError
from dnatctl.orders import Order, Orders, decode, encode

NAME = "dnatctl-orders"


class _OrdersJson(msgspec.Struct):
    data: dict[str, str] | None = None


_CONFIG_MAP = msgspec.json.Decoder(_OrdersJson)


class OrdersApi:
    """Reads and writes orders in a controller's namespace. Every method raises KubeError."""

    def __init__(self, client: KubeClient, namespace: str) -> None:
        self._client = client
        self._namespace = namespace

    def read(self, now: datetime) -> tuple[Orders, int]:
        """The orders that stand, and how many entries cannot be read."""
        try:
            body = self._client.request("GET", self._path(NAME))
        except KubeError as error:
            if error.says_gone(NAME):
                return Orders(), 0
            raise
        return decode((answers.read(_CONFIG_MAP, body).data or {}).values(), now)

    def give(self, order: Order) -> None:
        """Write one, in place of an earlier one of that kind for that target."""
        data = {"data": {order.name: encode(order)}}
        try:
            self._client.request("PATCH", self._path(NAME), body=data, content_type=MERGE_PATCH)
        except KubeError as error:
            if error.failure is not Failure.NOT_FOUND:
                raise
            body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": NAME}, **data}
            self._client.request("POST", self._path(), body=body)

    def take_back(self, order: Order) -> None:
        """End one; none of that kind for that target is no error."""
        data = {"data": {order.name: None}}
        try:
            self._client.request("PATCH", self._path(NAME), body=data, content_type=MERGE_PATCH)
        except KubeError as error:
            if error.failure is not Failure.NOT_FOUND:
                raise

    def _path(self, *name: str) -> str:
        return paths.in_namespace("v1", self._namespace, "configmaps", *name)
