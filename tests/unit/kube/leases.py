"""An API server that knows one Lease, in memory, for electors that are taken step by step."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, cast

import orjson

from dnatctl.kube.client import KubeClient
from dnatctl.kube.errors import Failure, KubeError

Json = dict[str, Any]


class Leases:
    """Optimistic locking as the API server does it; `before`, `after` and `admit` (given what is to
    be stored) may raise KubeErrors.

    What `before` refuses is not carried out; what `after` refuses is, and its answer is lost.
    """

    def __init__(self) -> None:
        self.lease: Json | None = None
        self.version = 0
        self.before: Callable[[str], None] = lambda method: None
        self.after: Callable[[str], None] = lambda method: None
        self.admit: Callable[[Json], None] = lambda lease: None

    @property
    def client(self) -> KubeClient:
        return cast(KubeClient, self)

    def request(self, method: str, path: str, *, body: Any = None, **_: Any) -> bytes:
        assert path.startswith("/apis/coordination.k8s.io/v1/namespaces/system/leases")
        self.before(method)
        answer = self._carry_out(method, copy.deepcopy(body))
        self.after(method)
        return answer

    def annotate(self, name: str, value: str) -> None:
        """What somebody does by hand."""
        assert self.lease is not None
        self.lease["metadata"].setdefault("annotations", {})[name] = value
        self._store(self.lease)

    def change(self, **spec: Any) -> None:
        """What somebody does by hand to its spec."""
        assert self.lease is not None
        self.lease["spec"] |= spec
        self._store(self.lease)

    def _carry_out(self, method: str, body: Json | None) -> bytes:
        if body is not None:
            self.admit(body)
        if method == "POST":
            if self.lease is not None:
                raise KubeError(Failure.ALREADY_EXISTS, "exists", status=409)
            return self._store(cast(Json, body))
        if self.lease is None:
            raise KubeError(Failure.NOT_FOUND, "none", status=404)
        if method == "PUT":
            body = cast(Json, body)
            if body["metadata"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]:
                raise KubeError(Failure.CONFLICT, "stale", status=409)
            return self._store(body)
        return orjson.dumps(self.lease)

    def _store(self, body: Json) -> bytes:
        self.version += 1
        body["metadata"]["resourceVersion"] = str(self.version)
        self.lease = body
        return orjson.dumps(body)

    @property
    def spec(self) -> Json:
        assert self.lease is not None
        return cast(Json, self.lease["spec"])

    @property
    def holder(self) -> str:
        return cast(str, self.spec["holderIdentity"])

    @property
    def state(self) -> str | None:
        assert self.lease is not None
        annotations = self.lease["metadata"].get("annotations", {})
        return cast("str | None", annotations.get("dnatctl/handover"))
