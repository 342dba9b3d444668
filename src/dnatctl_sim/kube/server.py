"""The emulated API server as a whole: a store, the API's rules, HTTP, and the stand-ins."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Self

from aiohttp import web

from dnatctl.clock import Clock, SystemClock
from dnatctl_sim.endings import end_listening, end_tasks
from dnatctl_sim.kube.actors.collectors import CRDCollector, NamespaceCollector
from dnatctl_sim.kube.actors.customtypes import CustomTypes
from dnatctl_sim.kube.actors.dependents import Dependents
from dnatctl_sim.kube.actors.deployments import Deployments
from dnatctl_sim.kube.actors.garbage import GarbageCollector
from dnatctl_sim.kube.actors.kubelet import Kubelet, KubeletSettings
from dnatctl_sim.kube.actors.nodes import create_nodes
from dnatctl_sim.kube.actors.replicasets import ReplicaSets
from dnatctl_sim.kube.actors.scheduler import Scheduler
from dnatctl_sim.kube.actors.statefulsets import StatefulSets
from dnatctl_sim.kube.actors.troupe import Actor, LoopTimers, Troupe
from dnatctl_sim.kube.api.options import Target, WriteOptions
from dnatctl_sim.kube.api.verbs import Api
from dnatctl_sim.kube.core import builtin
from dnatctl_sim.kube.core.registry import Registry
from dnatctl_sim.kube.core.store import Backup, Store
from dnatctl_sim.kube.kubeconfig import write_kubeconfig
from dnatctl_sim.kube.objects import Objects
from dnatctl_sim.kube.wire.builtintables import builtin_tables
from dnatctl_sim.kube.wire.faults import Faults
from dnatctl_sim.kube.wire.http import Handler
from dnatctl_sim.kube.wire.requestlog import RequestLog
from dnatctl_sim.kube.wire.streams import Streams

_PATIENCE = 0.5  # seconds that handlers get to end once their connection is cut

NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")


@dataclass
class Settings:
    """What a server is to be like.

    `history`: changes a resource remembers for watches. `bookmarks`: seconds between them.
    `actors`: whether anything but the API server is there: without, pods stay Pending for ever.
    """

    nodes: int = 2
    zones: Sequence[str] = ("cn-hangzhou-j", "cn-hangzhou-k")
    history: int = 20_000
    bookmarks: float = 60.0
    actors: bool = True
    kubelet: KubeletSettings = field(default_factory=KubeletSettings)


class KubeServer:
    """An emulated Kubernetes API server on loopback, with a thread of its own.

    `store` reads and writes objects directly, `faults` and `watches` make things go wrong,
    `kubelet` and `scheduler` decide over pods, `requests` is the log of what clients asked.
    Usable as a context manager.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        settings: Settings | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.settings = settings or Settings()
        self.host, self.port = host, port
        self._loop = asyncio.new_event_loop()
        self._thread: threading.Thread | None = None
        self._listener: asyncio.Server | None = None
        self._http: web.Server | None = None
        self._clock = clock or SystemClock()
        self.api = Api(Store(self.settings.history), Registry(), self._clock)
        self.store = Objects(self.api)
        self.faults = Faults()
        self.requests = RequestLog()
        self.watches = Streams(self._loop)
        timers = LoopTimers(self._loop)
        self.kubelet = Kubelet(self.api, timers, self.settings.kubelet)
        self.scheduler = Scheduler(self.api, timers)
        self._handler = Handler(
            self.api,
            builtin_tables(self._clock),
            faults=self.faults,
            streams=self.watches,
            log=self.requests,
        )
        self._handler.bookmark_seconds = self.settings.bookmarks
        self._listen_to_store(timers)
        self._populate()

    @property
    def url(self) -> str:
        """Where the server answers, e.g. `http://127.0.0.1:40123`. Known once it is started."""
        return f"http://{self.host}:{self.port}"

    def start(self) -> Self:
        """Begin to answer. Raises OSError when the port is taken."""
        self._thread = threading.Thread(target=self._loop.run_forever, name="kube-sim", daemon=True)
        self._thread.start()
        try:
            self.go_online()
        except OSError:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End for good: connections are cut, the thread ends. Does nothing the second time."""
        if self._loop.is_closed():
            return
        if self._thread is not None:
            self.go_offline()
            self._run(end_tasks())
            self._run(self._loop.shutdown_asyncgens())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
        self._loop.close()

    def go_offline(self) -> None:
        """Answer no longer, as while the server's process restarts; connections are cut."""
        self._run(self._unlisten())

    def go_online(self) -> None:
        """Answer again, at the same address."""
        self._run(self._listen())

    def pause(self) -> None:
        """Leave every request and every watch without an answer until `resume`."""
        self._loop.call_soon_threadsafe(self._handler.gate.clear)
        self._run(asyncio.sleep(0))

    def resume(self) -> None:
        """Go on after `pause`."""
        self._loop.call_soon_threadsafe(self._handler.gate.set)

    def write_kubeconfig(self, path: str) -> str:
        """Write a kubeconfig for this server to `path`; `path`."""
        return str(write_kubeconfig(path, self.url))

    def backup(self) -> Backup:
        """Everything that is stored, as it is now."""
        return self.api.store.backup()

    def restore(self, backup: Backup) -> None:
        """Go back to `backup`, resourceVersions included, as when etcd is restored."""
        with self.api.store.lock:
            self.api.store.restore(backup)
            self._custom.reload(self.api.store)
        self.watches.close(reset=True)

    def compact(self) -> None:
        """Forget all changes so far: watches and pages from before get 410."""
        self.api.store.compact()

    def pin_lists(self, resource: str) -> None:
        """Let lists with resourceVersion=0 show what is there now, whatever happens after."""
        type_ = self.api.registry.by_key(resource)
        self.faults.watches.pin(type_.collection, self.api.store.list(type_))

    def unpin_lists(self, resource: str) -> None:
        """Let lists with resourceVersion=0 show the present again."""
        self.faults.watches.unpin(self.api.registry.by_key(resource).collection)

    def clear_faults(self) -> None:
        """Undo what can be undone: rules, hooks, pins, the freezing of later watches, pause."""
        self.faults.clear()
        self.watches.thaw()
        self.resume()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _listen_to_store(self, timers: LoopTimers) -> None:
        actors = self._actors(timers) if self.settings.actors else []
        store = self.api.store
        self._custom = CustomTypes(self.api.registry)
        store.subscribe(self._custom.observe)
        store.subscribe(self.faults.watches.observe)
        store.subscribe(self.watches.observe)
        if actors:
            store.subscribe(Troupe(timers, actors).observe)

    def _actors(self, timers: LoopTimers) -> list[Actor]:
        dependents = Dependents(self.api.store, self.api.registry)
        shared = (self.api, timers, dependents)
        return [
            dependents,
            self.scheduler,
            self.kubelet,
            Deployments(*shared),
            ReplicaSets(*shared),
            StatefulSets(*shared),
            GarbageCollector(self.api, dependents),
            NamespaceCollector(self.api, timers),
            CRDCollector(self.api, timers),
        ]

    def _populate(self) -> None:
        for name in NAMESPACES:
            namespace = {"metadata": {"name": name}}
            self.api.create(Target(builtin.NAMESPACES), namespace, WriteOptions())
        create_nodes(self.api, self.settings.nodes, self.settings.zones)

    async def _listen(self) -> None:
        self._http = web.Server(self._handler, handler_cancellation=True, access_log=None)
        self._listener = await self._loop.create_server(self._http, self.host, self.port)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def _unlisten(self) -> None:
        listener, http = self._listener, self._http
        self._listener = self._http = None
        if listener is not None and http is not None:
            await end_listening(listener, partial(_cut, http))
            await http.shutdown(_PATIENCE)

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result()


def _cut(http: web.Server) -> None:
    for connection in list(http.connections):
        if connection.transport is not None:
            connection.transport.abort()
