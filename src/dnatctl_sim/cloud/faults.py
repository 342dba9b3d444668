"""Faults put on calls on purpose: delays, lost answers, broken connections, wrong answers."""

from __future__ import annotations

import random
from collections.abc import Generator
from http import HTTPStatus
from typing import Annotated, Literal

import msgspec

from dnatctl_sim.cloud.calls import Call
from dnatctl_sim.cloud.errors import refusal
from dnatctl_sim.cloud.knobs import Count, Span, check_spans, draw
from dnatctl_sim.cloud.params import Params
from dnatctl_sim.cloud.wire import Answer, Cut, Reply

Stage = Literal["before", "during", "after"]

_GATEWAY_PAGE = "<html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>"


class StruckError(Exception):
    """A fault decides the answer to a call."""

    def __init__(self, answer: Answer, code: str) -> None:
        super().__init__(code)
        self.answer = answer
        self.code = code


class Fault(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What goes wrong, with which calls, and how often.

    action: `delay` waits `seconds` and lets the call go on; all others wait `seconds` first too.
    `close` and `reset` end the connection without an answer (a `close` with many seconds is a
    server that hangs). `drip` answers one byte a second. `page` answers HTML with `status`, as a
    load balancer does, `empty` an empty body. `error` answers `code`, with `message`, `status` and
    `retry_after_ms` if given.

    stage: `before` the call is looked at; `during`: accepted (its ClientToken is in use, its
    table is busy) but without effect yet; `after` its effect: for a write, the client does not
    learn what happened. Reads have no effect, for them `during` is `before` and after the limits.

    Which calls: of `apis` (any if empty), whose parameters equal `match`, on a connection used
    before if `reused`; of these, not the first `skip`, then `times` (None: all), each with
    `probability`.
    """

    action: Literal["delay", "close", "reset", "drip", "page", "empty", "error"]
    stage: Stage = "after"
    apis: list[str] = []
    match: dict[str, str] = {}
    reused: bool = False
    skip: Count = 0
    times: Annotated[int, msgspec.Meta(ge=1)] | None = 1
    probability: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0
    seconds: Span = 0.0
    status: int = 0
    code: str = "InternalError"
    message: str = ""
    retry_after_ms: Count = 0
    name: str = ""

    def __post_init__(self) -> None:
        check_spans(self.seconds)

    def fits(self, call: Call, params: Params, *, reused: bool) -> bool:
        """Whether the fault is meant for a call."""
        return (
            (not self.apis or call.api in self.apis)
            and all(params.text(key) == value for key, value in self.match.items())
            and (reused or not self.reused)
        )

    def raise_effect(self) -> None:
        """Raise what the fault makes of the call: StruckError or ApiError; nothing for a delay."""
        match self.action:
            case "close" | "reset" | "drip":
                raise StruckError(Cut(self.action), f"cut:{self.action}")
            case "page":
                raise StruckError(self._page(), f"page:{self.status or 502}")
            case "empty":
                raise StruckError(Reply(self.status or 200, b""), f"empty:{self.status or 200}")
            case "error":
                raise refusal(
                    self.code,
                    self.message,
                    status=self.status,
                    retry_after_ms=self.retry_after_ms,
                )
            case "delay":
                pass

    def _page(self) -> Reply:
        status = self.status or 502
        text = _GATEWAY_PAGE.format(f"{status} {HTTPStatus(status).phrase}")
        return Reply(status, text.encode(), "text/html")


class Strike:
    """The fault of one call, if any."""

    def __init__(self, fault: Fault | None, seconds: float = 0.0) -> None:
        self._fault = fault
        self._seconds = seconds

    def at(self, stage: Stage) -> Generator[float, None, None]:
        """Do what the fault does at this stage.

        Yields the seconds to wait; raises StruckError or ApiError.
        """
        if self._fault is None or self._fault.stage != stage:
            return
        if self._seconds:
            yield self._seconds
        self._fault.raise_effect()


class Faults:
    """The faults in force; the first that fits a call gets it. Guarded by the cloud's lock."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Put a fault behind those in force."""
        self._faults.append(msgspec.structs.replace(fault))

    def clear(self) -> None:
        """End all faults."""
        self._faults.clear()

    def listed(self) -> list[Fault]:
        """The faults in force, with what is left of their `skip` and `times`."""
        return list(self._faults)

    def pick(self, call: Call, params: Params, *, reused: bool) -> Strike:
        """What will happen to a call."""
        for fault in self._faults:
            if fault.fits(call, params, reused=reused) and self._hits(fault):
                call.fault = fault.name or f"{fault.action}:{fault.stage}"
                return Strike(fault, draw(fault.seconds, self._rng))
        return Strike(None)

    def _hits(self, fault: Fault) -> bool:
        if fault.skip:
            fault.skip -= 1
            return False
        if self._rng.random() >= fault.probability:
            return False
        if fault.times is not None:
            fault.times -= 1
            if not fault.times:
                self._faults.remove(fault)
        return True
