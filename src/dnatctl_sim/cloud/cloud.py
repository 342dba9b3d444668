"""The emulated cloud: takes requests, keeps the account's state, gives answers.

A request's life is a generator that yields the seconds it wants to wait and returns the answer,
so that the same code runs under a server's event loop and under a test's clock.
"""

from __future__ import annotations

import random
import threading
import uuid
from collections.abc import Generator
from dataclasses import dataclass
from urllib.parse import parse_qsl

import orjson

from dnatctl.clock import Clock, SystemClock
from dnatctl_sim.cloud import operations
from dnatctl_sim.cloud.auth import Gatekeeper
from dnatctl_sim.cloud.calls import Call, CallLog
from dnatctl_sim.cloud.context import Context
from dnatctl_sim.cloud.errors import ApiError, missing, refusal
from dnatctl_sim.cloud.faults import Fault, Faults, Strike, StruckError
from dnatctl_sim.cloud.forward import Write
from dnatctl_sim.cloud.identity import Issuer
from dnatctl_sim.cloud.knobs import Knobs, draw
from dnatctl_sim.cloud.operations import Body, Operation, Read
from dnatctl_sim.cloud.params import Params
from dnatctl_sim.cloud.scenario import Scenario
from dnatctl_sim.cloud.table import ForwardTable
from dnatctl_sim.cloud.throttle import Throttle
from dnatctl_sim.cloud.tokens import Tokens
from dnatctl_sim.cloud.wire import Answer, Life, Reply, Request

Steps = Generator[float, None, Body]
"""Part of a call's life: yields seconds to wait, returns the fields of the answer."""


@dataclass(slots=True)
class _Job:
    """A request on its way through the cloud; `account` is known once it is admitted."""

    request: Request
    params: Params
    call: Call
    strike: Strike
    account: str = ""

    @property
    def region(self) -> str:
        return self.call.region

    @property
    def token(self) -> str:
        """The ClientToken; a dry run does not use it up."""
        return "" if self.params.flag("DryRun") else self.params.text("ClientToken")

    @property
    def identity(self) -> object:
        """Equal for calls that ask for the same thing."""
        rest = {name: value for name, value in self.params.values.items() if name != "ClientToken"}
        return self.call.api, tuple(sorted(rest.items()))


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
        """The life of a request, driven by who serves it."""
        params = Params(dict(parse_qsl(request.parameters, keep_blank_values=True)))
        api = request.headers.get("x-acs-action") or params.text("Action") or request.path
        with self.lock:
            call = self.log.open(api, self.clock.monotonic())
            call.note(params)
            strike = self.faults.pick(call, params, reused=request.reused)
        answer = yield from self._live(_Job(request, params, call, strike))
        with self.lock:
            self.log.close(call, self.clock.monotonic())
        return answer

    def _live(self, job: _Job) -> Life:
        request_id = str(uuid.uuid4()).upper()
        answer: Answer
        try:
            yield from job.strike.at("before")
            answer = yield from self._answer(job, request_id)
            yield from job.strike.at("after")
        except StruckError as struck:
            answer, job.call.code = struck.answer, struck.code
        except ApiError as error:
            answer, job.call.code = _refuse(error, request_id), error.code
        job.call.status = answer.status if isinstance(answer, Reply) else 0
        return answer

    def _answer(self, job: _Job, request_id: str) -> Generator[float, None, Reply]:
        with self.lock:
            keys = self.issuer.answer(job.request, self.clock.now(), self.knobs)
        if keys:
            yield from job.strike.at("during")
            return keys
        body = yield from self._execute(job)
        return Reply(200, orjson.dumps(body | {"RequestId": request_id}))

    def _execute(self, job: _Job) -> Steps:
        if job.call.api == "AssumeRoleWithOIDC":
            yield from job.strike.at("during")
            with self.lock:
                return self.issuer.assume_role_with_oidc(job.params, self.clock.now(), self.knobs)
        version = job.request.headers.get("x-acs-version", "")
        operation = operations.find(job.call.api, version)
        with self.lock:
            job.account = self._admit(operation, job)
        if operation.read:
            return (yield from self._read(operation.read, job))
        return (yield from self._write(operation, job))

    def _admit(self, operation: Operation, job: _Job) -> str:
        key = self._gatekeeper.identify(
            job.request, job.params.values, self.world.keys, self.clock.now(), self.knobs
        )
        job.call.key = key.key_id
        _authorize(operation, job.call.api, self.knobs)
        if not job.region:
            raise missing("RegionId")
        if job.region not in self.world.regions:
            raise refusal(
                "InvalidRegionId.NotFound"
                if operation.product == "vpc"
                else "InvalidRegionId.MalFormed"
            )
        now = self.clock.monotonic()
        self._throttle.admit(key.account, job.region, job.call.api, now, self.knobs)
        return key.account

    def _read(self, read: Read, job: _Job) -> Steps:
        latency = self._draw_latency(self.knobs.read_latency)
        yield from _wait(latency / 2)
        yield from job.strike.at("during")
        with self.lock:
            body = read(self.context(job.region), job.params)
        yield from _wait(latency / 2)
        return body

    def _write(self, operation: Operation, job: _Job) -> Steps:
        token = job.token
        if not token:
            return (yield from self._take_turn(operation, job))
        with self.lock:
            now = self.clock.monotonic()
            earlier = self._tokens.claim(job.account, token, job.identity, now, self.knobs)
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
            job.call.settles_at = write.gateway.table.rows[job.call.entry_id].settles_at
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
    body: Body = {
        "RequestId": request_id,
        "HostId": "vpc.emulated",
        "Code": error.code,
        "Message": error.message,
        "Recommend": f"https://api.aliyun.com/troubleshoot?q={error.code}&requestId={request_id}",
    }
    if error.detail is not None:
        body["AccessDeniedDetail"] = error.detail
    headers = {"x-acs-retry-after": str(error.retry_after_ms)} if error.retry_after_ms else {}
    return Reply(error.status, orjson.dumps(body), headers=headers)


def _wait(seconds: float) -> Generator[float, None, None]:
    if seconds:
        yield seconds
