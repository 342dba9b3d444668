"""The server's HTTP side: reads requests, lets faults befall them, sends answers and watches."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import time
from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import cast

from aiohttp import web

from dnatctl_sim.kube.api.options import Target
from dnatctl_sim.kube.api.verbs import Api
from dnatctl_sim.kube.core import errors
from dnatctl_sim.kube.core.errors import ApiError
from dnatctl_sim.kube.wire import forwarding
from dnatctl_sim.kube.wire.call import WRITE_VERBS, Answer, Call, error_answer, parse_call
from dnatctl_sim.kube.wire.faults import Fault, Faults, Stage, hooked
from dnatctl_sim.kube.wire.general import General
from dnatctl_sim.kube.wire.present import form_for
from dnatctl_sim.kube.wire.queries import check_list
from dnatctl_sim.kube.wire.reads import Reads, selector_of
from dnatctl_sim.kube.wire.requestlog import Request, RequestLog
from dnatctl_sim.kube.wire.streams import Streams
from dnatctl_sim.kube.wire.tables import Tables
from dnatctl_sim.kube.wire.watching import Watch, error_line
from dnatctl_sim.kube.wire.writes import Writes

_RESET = struct.pack("ii", 1, 0)
_DEFAULT_WATCH_SECONDS = (1800, 3600)


class DroppedError(Exception):
    """The connection was reset on purpose: there is no answer to send."""


class Handler:
    """Answers every HTTP request; an instance is what `aiohttp.web.Server` calls."""

    def __init__(
        self,
        api: Api,
        tables: Tables,
        *,
        faults: Faults,
        streams: Streams,
        log: RequestLog,
    ) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.bookmark_seconds = 60.0
        self._api = api
        self._tables = tables
        self._faults = faults
        self._streams = streams
        self._log = log
        self._reads = Reads(api, tables, faults)
        self._writes = Writes(api, tables)
        self._general = General(api.registry)
        self._random = random.Random()

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        started = time.monotonic()
        entry = Request(
            time=time.time(),
            user_agent=request.headers.get("User-Agent", ""),
            method=request.method,
            path=request.path,
            query=request.query_string,
        )
        self._log.append(entry)
        try:
            await self.gate.wait()
            return await self._answer(request, entry)
        except DroppedError:
            return web.Response()
        except ConnectionResetError:  # the client has gone, as clients do: nobody is there to tell
            return web.Response()
        finally:
            entry.seconds = entry.seconds or time.monotonic() - started

    async def _answer(self, request: web.BaseRequest, entry: Request) -> web.StreamResponse:
        try:
            if "Upgrade" in request.headers and (pod := forwarding.PATH.fullmatch(request.path)):
                return await self._forward(request, entry, *pod.groups())
            call = await self._call(request, entry)
            if call is None:
                answer = self._general.answer(request.method, request.path, request.host)
            else:
                await self._befall(request, self._faults.take(call), call)
                if call.verb == "watch":
                    return await self._watch(request, call, entry)
                answer = await self._carry_out(request, call)
        except ApiError as error:
            answer = error_answer(error)
        entry.code = answer.code
        return _respond(answer)

    async def _forward(
        self, request: web.BaseRequest, entry: Request, namespace: str, name: str
    ) -> web.StreamResponse:
        entry.verb, entry.resource = "create", "pods/portforward"
        entry.namespace, entry.name = namespace, name
        self._api.get(Target(self._api.registry.by_key("pods"), namespace, name))
        entry.code = HTTPStatus.SWITCHING_PROTOCOLS
        return await forwarding.forward(request)

    async def _call(self, request: web.BaseRequest, entry: Request) -> Call | None:
        """The request as a call for a resource; None where it is for something else."""
        if not self._general.is_resource(request.path):
            return None
        headers = cast("Mapping[str, str]", request.headers)
        call = parse_call(self._api.registry, request.method, request.path, request.query, headers)
        target = call.target
        entry.verb, entry.namespace, entry.name = call.verb, target.namespace, target.name
        suffix = f"/{target.subresource}" if target.subresource else ""
        entry.resource = target.type.key + suffix
        return replace(call, body=await request.read()) if request.can_read_body else call

    async def _carry_out(self, request: web.BaseRequest, call: Call) -> Answer:
        if call.verb not in WRITE_VERBS:
            return self._read(call)
        fault = hooked(self._faults.on_write, call, Stage.BEFORE)
        await self._befall(request, fault, call)
        answer = self._writes.carry_out(call)
        fault = hooked(self._faults.on_write, call, Stage.AFTER, answer.code)
        await self._befall(request, fault and replace(fault, after=False), call)
        return answer

    def _read(self, call: Call) -> Answer:
        if call.target.subresource not in ("", "status"):
            return self._writes.read_subresource(call)
        return self._reads.get(call) if call.verb == "get" else self._reads.list(call)

    async def _befall(self, request: web.BaseRequest, fault: Fault | None, call: Call) -> None:
        """Let a fault happen. Raises what ends the request, if the fault does."""
        if fault is None:
            return
        if fault.delay:
            await asyncio.sleep(fault.delay)
        if fault.after:
            await self._carry_out(request, call)
        if fault.drop:
            _reset(request)
            raise DroppedError
        error = fault.error()
        if error is not None:
            raise error

    async def _watch(
        self, request: web.BaseRequest, call: Call, entry: Request
    ) -> web.StreamResponse:
        target = call.target
        check_list(call.query, watch=True)
        if self._faults.expired_over_http and self._faults.takes_watch(target.type.key):
            raise errors.gone_version(call.version(), self._api.store.revision)
        watch = Watch(
            self._api.store,
            target.type,
            target.namespace,
            version=target.version,
            selector=selector_of(call),
            form=form_for(call, self._tables),
            faults=self._faults.watches,
        )
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        self._check_watchable(call)
        await response.prepare(request)
        entry.code = response.status
        entry.seconds = time.time() - entry.time
        with self._streams.follow(watch) as wake:
            await self._stream(request, response, watch, call, wake)
        return response

    def _check_watchable(self, call: Call) -> None:
        wanted, current = call.version(), self._api.store.revision
        if wanted > current and self._faults.refuse_future_watches:
            raise errors.too_large_version(wanted, current)

    async def _stream(
        self,
        request: web.BaseRequest,
        response: web.StreamResponse,
        watch: Watch,
        call: Call,
        wake: asyncio.Event,
    ) -> None:
        timeout = call.number("timeoutSeconds") or self._random.randint(*_DEFAULT_WATCH_SECONDS)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        try:
            await response.write(self._begin(watch, call))
            bookmark = loop.time() + self.bookmark_seconds
            while not watch.ending and loop.time() < deadline:
                await self._tell(response, watch, wake, min(deadline, bookmark))
                if call.flag("allowWatchBookmarks") and loop.time() >= bookmark:
                    bookmark = loop.time() + self.bookmark_seconds
                    if not watch.frozen and watch.revision <= self._api.store.revision:
                        await response.write(watch.bookmark())
        except ApiError as error:
            await response.write(error_line(error))
        if watch.frozen and not watch.ending:
            await asyncio.Event().wait()
        if watch.reset:
            _reset(request)
            raise DroppedError

    async def _tell(
        self, response: web.StreamResponse, watch: Watch, wake: asyncio.Event, until: float
    ) -> None:
        """Send what is new; if nothing is, wait until something is, or until `until`."""
        await self.gate.wait()
        wake.clear()
        news = b"" if watch.frozen or watch.ending else watch.next()
        if news:
            await response.write(news)
            return
        try:
            async with asyncio.timeout_at(until):
                await wake.wait()
        except TimeoutError:
            return

    def _begin(self, watch: Watch, call: Call) -> bytes:
        """What a new watch hears first: the state, or what it missed. Raises ApiError 410."""
        revision = call.version()
        if self._faults.takes_watch(call.target.type.key):
            raise errors.gone_version(revision, self._api.store.revision)
        if call.flag("sendInitialEvents"):
            state = watch.start_with_state()
            return state + watch.bookmark(initial_end=True)
        if not revision:
            return watch.start_with_state()
        watch.start_at(revision)
        return watch.next()


def _respond(answer: Answer) -> web.Response:
    return web.Response(
        status=answer.code,
        body=answer.body,
        content_type=answer.content_type,
        headers=answer.headers,
    )


def _reset(request: web.BaseRequest) -> None:
    """End the connection with a TCP reset, so that the client sees an error and no answer."""
    transport = request.transport
    if transport is None:
        return
    sock = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()
