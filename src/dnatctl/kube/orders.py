"""The ConfigMap that holds what people have ordered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

import msgspec
from msgspec import Struct

from dnatctl.clock import APART
from dnatctl.kube import answers, paths
from dnatctl.kube.client import MERGE_PATCH, KubeClient
from dnatctl.kube.errors import Failure, KubeError
from dnatctl.orders import Order, Orders, decode, encode, names_of, over

NAME = "dnatctl-orders"

_TRIES = 5
"""Of people who give orders at the same moment, one after the other succeeds."""

_CHANGED = frozenset({Failure.CONFLICT, Failure.ALREADY_EXISTS})


class _MetadataJson(Struct, frozen=True, rename="camel"):
    resource_version: str = ""


class _OrdersJson(Struct):
    metadata: _MetadataJson = _MetadataJson()
    data: dict[str, str] | None = None


_CONFIG_MAP = msgspec.json.Decoder(_OrdersJson)

_Changes = dict[str, str | None]


class OrdersApi:
    """Reads and writes orders in a controller's namespace. Every method raises KubeError."""

    def __init__(self, client: KubeClient, namespace: str) -> None:
        self._client = client
        self._namespace = namespace

    def read(self, now: datetime) -> tuple[Orders, int]:
        """The orders that stand, and how many entries cannot be read."""
        return decode((self._held().data or {}).values(), now)

    def give(self, order: Order) -> None:
        """Write one, in place of all earlier ones of that kind for that target.

        What is over for sure goes: a ConfigMap holds 1 MiB at most, and then takes no order.
        """

        def changes(stored: Mapping[str, str]) -> _Changes:
            # The leader's clock may be as far behind.
            gone = over(stored, self._client.clock.now() - APART) | names_of(stored, order)
            return dict.fromkeys(gone) | {order.name: encode(order)}

        self._change(changes)

    def take_back(self, order: Order) -> None:
        """End all of that kind for that target, whatever they stand under; none is no error."""
        self._change(lambda stored: dict.fromkeys(names_of(stored, order)))

    def _held(self) -> _OrdersJson:
        try:
            body = self._client.request("GET", self._path(NAME))
        except KubeError as error:
            if error.says_gone(NAME):
                return _OrdersJson()
            raise
        return answers.read(_CONFIG_MAP, body)

    def _change(self, changes: Callable[[Mapping[str, str]], _Changes]) -> None:
        """Write what is to change of what stands there: again if somebody else wrote meanwhile."""
        for left in reversed(range(_TRIES)):
            held = self._held_if_allowed()
            try:
                self._write(changes(held.data or {}), held.metadata.resource_version)
            except KubeError as error:
                if error.failure not in _CHANGED or not left:
                    raise
            else:
                return

    def _held_if_allowed(self) -> _OrdersJson:
        """To give an order one needs no leave to read them."""
        try:
            return self._held()
        except KubeError as error:
            if error.failure is not Failure.FORBIDDEN:
                raise
            return _OrdersJson()

    def _write(self, data: _Changes, version: str) -> None:
        body: dict[str, object] = {"data": data}
        if version:
            body["metadata"] = {"resourceVersion": version}
        try:
            self._client.request("PATCH", self._path(NAME), body=body, content_type=MERGE_PATCH)
        except KubeError as error:
            if error.failure is not Failure.NOT_FOUND:
                raise
            if given := {name: text for name, text in data.items() if text is not None}:
                self._create(given)

    def _create(self, data: Mapping[str, str]) -> None:
        kind = {"apiVersion": "v1", "kind": "ConfigMap"}
        self._client.request(
            "POST", self._path(), body={**kind, "metadata": {"name": NAME}, "data": data}
        )

    def _path(self, *name: str) -> str:
        return paths.in_namespace("v1", self._namespace, "configmaps", *name)
