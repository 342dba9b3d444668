"""A client of the admin API, for tests and tools in other processes than the emulator."""

from __future__ import annotations

from typing import cast

import msgspec
import orjson
import urllib3

from dnatctl_sim.cloud.calls import Call
from dnatctl_sim.cloud.faults import Fault
from dnatctl_sim.cloud.knobs import Knobs

Json = dict[str, object]


class AdminError(Exception):
    """The emulator refused what it was told."""


class CloudAdmin:
    """Speaks to the admin API behind an emulator's URL. Methods raise AdminError."""

    def __init__(self, endpoint: str) -> None:
        self._url = f"{endpoint.rstrip('/')}/_sim"
        self._pool = urllib3.PoolManager(retries=False, timeout=10.0)

    def truth(self) -> Json:
        """See `dnatctl_sim.cloud.truth.truth`."""
        return cast(Json, self._call("GET", "truth"))

    def rows(self, table: str = "") -> list[Json]:
        """The rows of one table, or of all."""
        tables = cast(dict[str, list[Json]], self.truth()["tables"])
        return [row for name, rows in tables.items() if table in ("", name) for row in rows]

    def calls(self, since: int = 0) -> list[Call]:
        """The call log after call number `since`."""
        return msgspec.convert(self._call("GET", f"calls?since={since}"), list[Call])

    def counters(self) -> Json:
        """See `Cloud.counters`."""
        return cast(Json, self._call("GET", "counters"))

    def knobs(self) -> Knobs:
        """The settings in force."""
        return msgspec.convert(self._call("GET", "knobs"), Knobs)

    def set_knobs(self, **changes: object) -> Knobs:
        """Change settings; see `Knobs`."""
        return msgspec.convert(self._call("POST", "knobs", changes), Knobs)

    def faults(self) -> list[Fault]:
        """The faults in force."""
        return msgspec.convert(self._call("GET", "faults"), list[Fault])

    def add_fault(self, fault: Fault) -> None:
        """Let something go wrong."""
        self._call("POST", "faults", fault)

    def clear_faults(self) -> None:
        """End all faults."""
        self._call("DELETE", "faults")

    def act(self, name: str, /, **arguments: object) -> object:
        """Do an act of `Acts`; returns what it returns."""
        return self._call("POST", f"act/{name}", arguments)

    def reset(self) -> None:
        """Go back to the start of the scenario."""
        self._call("POST", "reset")

    def _call(self, method: str, path: str, body: object = None) -> object:
        data = None if body is None else msgspec.json.encode(body)
        reply = self._pool.request(method, f"{self._url}/{path}", body=data)
        answer: object = orjson.loads(reply.data)
        if reply.status != 200:
            raise AdminError(f"{method} {path}: {reply.status} {answer}")
        return answer
