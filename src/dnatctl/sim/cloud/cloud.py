"""The emulated cloud: takes requests, keeps the account's state, gives answers.

A request's life is a generator that yields the seconds it wants to wait and returns the answer,
so that the same code runs under a server's event loop and under a test's clock.
"""

from __future__ import annotations

import random
import threading
import uuid
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

import orjson

from dnatctl.clock import Clock, SystemClock
from dnatctl.sim.cloud import operations
from dnatctl.sim.cloud.auth import Gatekeeper
from dnatctl.sim.cloud.calls import Call, CallLog
from dnatctl.sim.cloud.context import Context
from dnatctl.sim.cloud.errors import ApiError, missing, refusal
from dnatctl.sim.cloud.faults import Fault, Faults, Strike, StruckError
from dnatctl.sim.cloud.forward import Write
from dnatctl.sim.cloud.identity import Issuer, error_body
from dnatctl.sim.cloud.knobs import Knobs, draw
from dnatctl.sim.cloud.operations import Body, Operation
from dnatctl.sim.cloud.params import Params
from dnatctl.sim.cloud.scenario import Scenario
from dnatctl.sim.cloud.table import ForwardTable
from dnatctl.sim.cloud.throttle import Throttle
from dnatctl.sim.cloud.tokens import Tokens
from dnatctl.sim.cloud.wire import Answer, Life, Reply, Request

Steps = Generator[float, None, Body]
"""Part of a call's life: yields seconds to wait, returns the fields of the answer."""

_HOST_ID = "vpc.emulated"


@dataclass(frozen=True, slots=True)
class _Job:
    """A call on its way through the cloud."""

    call: Call
    params: Params
    strike: Strike
    account: str
    region: str


class Cloud:
    """One account of the emulated cloud. All methods may be called from any thread.

    Hold `lock` to look at or change `world` directly; `Acts` does so for what other people do
    to the account, `truth` shows it all.
    """

    def __init__(self, scenario: Scenario | None = None, clock: Clock | None = None) -> None:
        self.lock = threading.RLock()
        self.clock = clock or SystemClock()
        self.scenario = scenario or Scenario()
        self.reset()

    def reset(self) -> None:
        """Go back to the start of the scenario: resources, knobs, faults, log and all."""
        with self.lock:
            scenario = self.scenario
            self.knobs = scenario.knobs
            self.world = scenario.build()
            self.log = CallLog(self.knobs.log_size)
            self.faults = Faults(self.knobs.seed)
            for fault in scenario.faults:
                self.faults.add(fault)
            sts = scenario.sts
            self.issuer = Issuer(self.world, sts.role, sts.oidc_provider, sts.oidc_token)
            self._gatekeeper = Gatekeeper()
            self._throttle = Throttle()
            self._tokens = Tokens()
            self._rng = random.Random(self.knobs.seed)

    def set_knobs(self, **changes: object) -> Knobs:
        """Change settings; they hold from the next call on.

        Raises msgspec.ValidationError for an unknown name or a value that does not fit.
        """
        with self.lock:
            self.knobs = self.knobs.changed(**changes)
            return self.knobs

    def add_fault(self, fault: Fault) -> None:
        """Let something go wrong; see `Fault`."""
        with self.lock:
            self.faults.add(fault)

    def clear_faults(self) -> None:
        """End all faults."""
        with self.lock:
            self.faults.clear()

    def calls(self, since: int = 0) -> list[Call]:
        """The call log after call number `since`."""
        with self.lock:
            return self.log.since(since)

    def counters(self) -> dict[str, object]:
        """Counts of calls, refusals, overlaps and replays, and the most rows in flux at once."""
        with self.lock:
            tables = [gateway.table for gateway in self.world.gateways.values()]
            peaks = {table.table_id: table.peak_unsettled for table in tables}
            return self.log.counters() | {"peak_unsettled": peaks}

    def context(self, region: str = "") -> Context:
        """The settled world as it is now. Hold `lock`."""
        now = self.clock.monotonic()
        self.world.settle(now)
        return Context(self.world, self.knobs, now, region)

    def serve(self, request: Request) -> Life:
        """The life of a request, driven by who serves it; never raises."""
        with self.lock:
            if reply := self.issuer.answer(request, self.clock.now(), self.knobs):
                return reply
        query = dict(parse_qsl(request.query, keep_blank_values=True))
        params = Params(query | _form(request))
        with self.lock:
            api = request.headers.get("x-acs-action") or params.text("Action") or request.path
            call = self.log.open(api, self.clock.monotonic())
            call.note(params)
            strike = self.faults.pick(call, params, reused=request.reused)
        answer = yield from self._live(request, query, params, call, strike)
        with self.lock:
            self.log.close(call, self.clock.monotonic())
        return answer

    def _live(
        self,
        request: Request,
        query: Mapping[str, str],
        params: Params,
        call: Call,
        strike: Strike,
    ) -> Generator[float, None, Answer]:
        request_id = str(uuid.uuid4()).upper()
        try:
            yield from strike.at("before")
            body = yield from self._execute(request, query, params, call, strike)
            yield from strike.at("after")
        except StruckError as struck:
            call.code = struck.code
            call.status = struck.answer.status if isinstance(struck.answer, Reply) else 0
            return struck.answer
        except ApiError as error:
            call.code, call.status = error.code, error.status
            return _refuse(error, request_id)
        call.status = 200
        return Reply(200, orjson.dumps(body | {"RequestId": request_id}))

    def _execute(
        self,
        request: Request,
        query: Mapping[str, str],
        params: Params,
        call: Call,
        strike: Strike,
    ) -> Steps:
        if call.api == "AssumeRoleWithOIDC":
            with self.lock:
                return self.issuer.assume_role_with_oidc(
                    params.values, self.clock.now(), self.knobs
                )
        operation = operations.find(call.api, request.headers.get("x-acs-version", ""))
        with self.lock:
            account = self._admit(request, query, operation, call)
        job = _Job(call, params, strike, account, call.region)
        if operation.read:
            return (yield from self._read(operation, job))
        return (yield from self._write(operation, job))

    def _admit(
        self, request: Request, query: Mapping[str, str], operation: Operation, call: Call
    ) -> str:
        key = self._gatekeeper.identify(
            request, query, self.world.keys, self.clock.now(), self.knobs
        )
        _authorize(operation, call.api, self.knobs)
        if not call.region:
            raise missing("RegionId")
        if call.region not in self.world.regions:
            raise refusal(
                "InvalidRegionId.NotFound" if operation.product == "vpc"
                else "InvalidRegionId.MalFormed"
            )  # fmt: skip
        now = self.clock.monotonic()
        self._throttle.admit(key.account, call.region, call.api, now, self.knobs)
        return key.account

    def _read(self, operation: Operation, job: _Job) -> Steps:
        assert operation.read is not None
        latency = self._draw_latency(self.knobs.read_latency)
        yield from _wait(latency / 2)
        yield from job.strike.at("during")
        with self.lock:
            body = operation.read(self.context(job.region), job.params)
        yield from _wait(latency / 2)
        return body

    def _write(self, operation: Operation, job: _Job) -> Steps:
        token = job.params.text("ClientToken")
        if not token or job.params.flag("DryRun"):
            return (yield from self._take_turn(operation, job))
        with self.lock:
            earlier = self._tokens.claim(
                job.account, token, _identity(job), self.clock.monotonic(), self.knobs
            )
        if earlier is not None:
            job.call.replayed = True
            return earlier
        try:
            body = yield from self._take_turn(operation, job)
        except ApiError as error:
            with self.lock:
                self._tokens.refused(job.account, token, error, self.knobs)
            raise
        except StruckError:
            with self.lock:
                self._tokens.forget(job.account, token)
            raise
        with self.lock:
            self._tokens.succeeded(job.account, token, body)
        return body

    def _take_turn(self, operation: Operation, job: _Job) -> Steps:
        latency = self._draw_latency(self.knobs.write_latency)
        try:
            with self.lock:
                write = self._accept(operation, job)
        except ApiError:
            yield from _wait(latency)
            raise
        try:
            yield from _wait(latency / 2)
            yield from job.strike.at("during")
            body = self._commit(write, job)
            yield from _wait(latency / 2)
        finally:
            with self.lock:
                write.gateway.table.in_service = None
        return body

    def _accept(self, operation: Operation, job: _Job) -> Write:
        assert operation.understand is not None
        ctx = self.context(job.region)
        write = operation.understand(ctx, job.params)
        self._pass_gate(write.gateway.table, job.call)
        if job.params.flag("DryRun"):
            write.check(ctx)
            raise refusal("DryRunOperation")
        write.gateway.table.in_service = job.call
        return write

    def _pass_gate(self, table: ForwardTable, call: Call) -> None:
        if table.in_service:
            call.overlapped = table.in_service.overlapped = True
            raise refusal("OperationConflict")
        blocked = table.unsettled(deleting=self.knobs.deleting_blocks)
        if self.knobs.mode == "strict" and any(blocked):
            raise refusal("IncorretForwardEntryStatus")

    def _commit(self, write: Write, job: _Job) -> Body:
        with self.lock:
            ctx = self.context(job.region)
            write.check(ctx)
            body = write.apply(ctx)
            job.call.committed = True
            job.call.entry_id = str(body.get("ForwardEntryId", job.call.entry_id))
            return body

    def _draw_latency(self, span: float | tuple[float, float]) -> float:
        with self.lock:
            return draw(span, self._rng)


def _authorize(operation: Operation, api: str, knobs: Knobs) -> None:
    action = f"{operation.product}:{api}"
    if action in knobs.allowed or f"{operation.product}:*" in knobs.allowed:
        return
    detail: dict[str, object] = {
        "AuthAction": action,
        "AuthPrincipalType": "AssumedRoleUser",
        "NoPermissionType": "ImplicitDeny",
        "PolicyType": "AccountLevelIdentityBasedPolicy",
    }
    raise refusal("Forbidden.RAM", detail=detail)


def _refuse(error: ApiError, request_id: str) -> Reply:
    headers = {"x-acs-retry-after": str(error.retry_after_ms)} if error.retry_after_ms else {}
    return Reply(error.status, error_body(error, request_id, _HOST_ID), headers=headers)


def _form(request: Request) -> dict[str, str]:
    kind = request.headers.get("content-type", "")
    if not request.body or not kind.startswith("application/x-www-form-urlencoded"):
        return {}
    return dict(parse_qsl(request.body.decode("latin-1"), keep_blank_values=True))


def _identity(job: _Job) -> object:
    """Equal for calls that ask for the same thing."""
    rest = {key: value for key, value in job.params.values.items() if key != "ClientToken"}
    return job.call.api, tuple(sorted(rest.items()))


def _wait(seconds: float) -> Generator[float, None, None]:
    if seconds:
        yield seconds
