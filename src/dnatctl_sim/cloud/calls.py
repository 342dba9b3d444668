"""The call log: what clients asked of the cloud, when, what they got, and how politely."""

from __future__ import annotations

from collections import Counter, deque
from itertools import islice

import msgspec

from dnatctl_sim.cloud.params import Params


class Call(msgspec.Struct, kw_only=True):
    """One call. Times are seconds of the machine's monotonic clock, comparable across processes.

    `code`: the error code the client got, empty on success, `cut:close`, `cut:reset` or
    `page:502` where it got no proper answer. `committed`: the call had its effect, whatever the
    client was told. `overlapped`: it met another write in service on its table. `replayed`: it
    was answered from its ClientToken. `settles_at`: when the row that it wrote leaves flux.
    `key`: the AccessKey that signed it.
    """

    seq: int
    api: str
    received: float
    replied: float = 0.0
    key: str = ""
    region: str = ""
    table: str = ""
    entry_id: str = ""
    external: str = ""
    internal: str = ""
    protocol: str = ""
    name: str = ""
    token: str = ""
    dry_run: bool = False
    status: int = 0
    code: str = ""
    committed: bool = False
    overlapped: bool = False
    replayed: bool = False
    fault: str = ""
    settles_at: float = 0.0

    def note(self, params: Params) -> None:
        """Copy the parameters worth seeing."""
        self.region = params.text("RegionId")
        self.table = params.text("ForwardTableId")
        self.entry_id = params.text("ForwardEntryId")
        self.external = _address(params, "External")
        self.internal = _address(params, "Internal")
        self.protocol = params.text("IpProtocol")
        self.name = params.text("ForwardEntryName")
        self.token = params.text("ClientToken")
        self.dry_run = params.text("DryRun").lower() == "true"


class CallLog:
    """The last calls, and counts of all of them. Not thread-safe: the cloud's lock guards it."""

    def __init__(self, size: int) -> None:
        self._calls: deque[Call] = deque(maxlen=size)
        self._opened = 0
        self._apis: Counter[str] = Counter()
        self._codes: Counter[str] = Counter()
        self._overlaps = 0
        self._replays = 0

    def open(self, api: str, now: float) -> Call:
        """Begin the record of a call."""
        self._opened += 1
        self._apis[api] += 1
        call = Call(seq=self._opened, api=api, received=now)
        self._calls.append(call)
        return call

    def close(self, call: Call, now: float) -> None:
        """End the record of a call whose answer is about to leave."""
        call.replied = now
        if call.code:
            self._codes[call.code] += 1
        self._overlaps += call.overlapped
        self._replays += call.replayed

    def since(self, seq: int = 0) -> list[Call]:
        """The calls after number `seq`, oldest first; calls under way have `replied` 0."""
        first = self._opened - len(self._calls)
        return list(islice(self._calls, max(seq - first, 0), None))

    def counters(self) -> dict[str, object]:
        """Counts since the start or the last reset, as the admin API shows them."""
        throttled = sum(n for code, n in self._codes.items() if "Throttling" in code)
        return {
            "calls": dict(self._apis),
            "codes": dict(self._codes),
            "overlaps": self._overlaps,
            "replays": self._replays,
            "throttled": throttled,
        }


def _address(params: Params, side: str) -> str:
    ip, port = params.text(f"{side}Ip"), params.text(f"{side}Port")
    return f"{ip}:{port}" if ip or port else ""
