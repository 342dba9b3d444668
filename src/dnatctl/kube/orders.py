"""The ConfigMap that holds what people have ordered."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from dnatctl.kube import answers, paths
from dnatctl.kube.client import MERGE_PATCH, KubeClient
from dnatctl.kube.errors import Failure, KubeError
from dnatctl.orders import Order, Orders, decode, encode, long_over, replaced
from dnatctl.times import parse_time

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
        return decode(self._stored().values(), now)

    def give(self, order: Order) -> None:
        """Write one, in place of an earlier one of that kind for that target. What has long been
        over goes with it."""
        stored, now = self._stored_if_told(), parse_time(order.since)
        over = long_over(stored, now) if now is not None else []
        gone = dict.fromkeys((*replaced(stored, order), *over))
        data = {order.name: encode(order)}
        if not self._patch(gone | data):
            body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": NAME}}
            self._client.request("POST", self._path(), body=body | {"data": data})

    def take_back(self, order: Order) -> None:
        """End one; none of that kind for that target is no error."""
        self._patch(dict.fromkeys((order.name, *replaced(self._stored_if_told(), order))))

    def _stored(self) -> Mapping[str, str]:
        try:
            body = self._client.request("GET", self._path(NAME))
        except KubeError as error:
            if error.says_gone(NAME):
                return {}
            raise
        return answers.read(_CONFIG_MAP, body).data or {}

    def _stored_if_told(self) -> Mapping[str, str]:
        """Who may not read what is ordered may order all the same."""
        try:
            return self._stored()
        except KubeError as error:
            if error.failure is Failure.FORBIDDEN:
                return {}
            raise

    def _patch(self, data: Mapping[str, str | None]) -> bool:
        """Store these, and take away what is None; returns whether there is a ConfigMap."""
        body = {"data": dict(data)}
        try:
            self._client.request("PATCH", self._path(NAME), body=body, content_type=MERGE_PATCH)
        except KubeError as error:
            if error.failure is not Failure.NOT_FOUND:
                raise
            return False
        return True

    def _path(self, *name: str) -> str:
        return paths.in_namespace("v1", self._namespace, "configmaps", *name)
