"""`dnatctl run`, once its flags are read.

Apart from the flags: what a controller is made of takes half a second to load, which `--help` and a
mistyped flag need not wait for.
"""

from __future__ import annotations

import ctypes
import gc
import resource
import socket
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog

from dnatctl import __version__
from dnatctl.cli.ending import Ending
from dnatctl.cli.options import (
    connect,
    connect_cloud,
    credential_source,
    load_config,
    own_namespace,
)
from dnatctl.cli.prelude import Prelude
from dnatctl.cli.rotation import ConfigWatcher
from dnatctl.clock import SystemClock
from dnatctl.cloud.providers import open_provider
from dnatctl.control.controller import Controller
from dnatctl.control.settings import CALL_CONNECT_S, CALL_READ_S, Settings
from dnatctl.heartbeat import Heartbeats
from dnatctl.kube.client import KubeClient
from dnatctl.observe.http import ListenError
from dnatctl.observe.logs import Levels, adopt_strays, configure
from dnatctl.observe.metrics import Metrics

log = structlog.get_logger(__name__)

WATCHES = 3
SPARE_CONNECTIONS = 6

DESCRIPTORS = 65_536
"""Open files are as many as the system allows, up to this: the usual soft limit is 1,024."""

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
"""Of mallopt: how much free memory is kept, from which size on a piece is no part of a heap, and
how many heaps there may be."""

GC_THRESHOLDS = (50_000, 20, 100)
"""Requests and answers make no cycles worth looking for; at the defaults of Python the collector
takes a third of the CPU of parsing (measured)."""


@dataclass(frozen=True, slots=True)
class Flags:
    """The flags of `dnatctl run`, by their names; see there."""

    config_file: Path
    kubeconfig: Path | None
    namespace: str | None
    metrics_bind_address: str
    metrics_cert_folder: Path | None
    metrics_token_review: bool
    health_probe_bind_address: str
    status_bind_address: str
    leader_elect: bool
    concurrent_syncs: int
    log_level: str
    log_format: str
    dry_run: bool


def run_controller(flags: Flags) -> None:
    """Run the controller; ends the process."""
    gc.set_threshold(*GC_THRESHOLDS)
    _share_one_heap()
    warnings: list[str] = []
    config = load_config(flags.config_file, warnings.append)
    ending, metrics = Ending(), Metrics()
    metrics.config_read(good=True, at=SystemClock().now().timestamp())
    ending.watch()
    levels = Levels(flags.log_level)
    logs = configure(levels, flags.log_format)
    adopt_strays()
    for warning in warnings:
        log.warning("configuration", warning=warning)
    ending.flush = logs.flush
    metrics.log_lines_dropped.read = lambda: logs.dropped
    _leave_no_core()
    _raise_descriptor_limit()
    connections = flags.concurrent_syncs + WATCHES + SPARE_CONNECTIONS
    client = _connect(flags.kubeconfig, metrics, connections)
    settings = Settings(
        config=config,
        namespace=flags.namespace or own_namespace(client),
        identity=f"{socket.gethostname()}_{uuid.uuid4().hex[:8]}",
        metrics_address=flags.metrics_bind_address,
        metrics_cert_folder=flags.metrics_cert_folder,
        metrics_token_review=flags.metrics_token_review,
        health_address=flags.health_probe_bind_address,
        status_address=flags.status_bind_address,
        leader_elect=flags.leader_elect,
        workers=flags.concurrent_syncs,
        dry_run=flags.dry_run,
    )
    serve = partial(_serve, settings, client, metrics, ending, flags.config_file, levels)
    ending.at_once(_exit_status(serve))


def _share_one_heap() -> None:
    """Before there are threads: glibc gives them heaps of their own, up to 8 a core, and what one
    has freed, as the pages of a list, no other can have. The interpreter lets one run at a time.
    It keeps the room of a page from one to the next, or each costs thousands of page faults.

    https://man7.org/linux/man-pages/man3/mallopt.3.html
    """
    with suppress(AttributeError, OSError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_ARENA_MAX, 1)
        mallopt(M_MMAP_THRESHOLD, 16 << 20)
        mallopt(M_TRIM_THRESHOLD, 8 << 20)


def _exit_status(serve: Callable[[], str]) -> int:
    """Run until it is over, in whatever way."""
    try:
        failure = serve()
    except ListenError as error:
        log.critical("not started", error=str(error))
        return 1
    except Exception:
        log.exception("ended with an exception")
        return 1
    return 1 if failure else 0


def _serve(
    settings: Settings,
    client: KubeClient,
    metrics: Metrics,
    ending: Ending,
    config_file: Path,
    levels: Levels,
) -> str:
    """Run until told to stop; what made it end otherwise, "" if nothing."""
    stop, hearts = ending.stop, Heartbeats()
    provider = open_provider(credential_source(settings.config))
    metrics.credentials_expire.read = provider.expires_at
    watcher = ConfigWatcher(config_file, provider, stop, hearts, tell=metrics.config_read)
    watcher.start()
    cloud = connect_cloud(
        settings.config,
        provider,
        wait=stop.wait,
        observe=metrics.observe_cloud,
        connect_timeout=CALL_CONNECT_S,
        read_timeout=CALL_READ_S,
    )
    log.info(
        "starting",
        version=__version__,
        cluster=settings.config.cluster_id,
        identity=settings.identity,
    )
    version = Prelude(client, stop, hearts).served(settings.health_address)
    if version is None:
        return ""
    log.info("PodDNATs", version=version)
    controller = Controller(
        settings,
        client,
        cloud,
        version,
        metrics=metrics,
        stop=stop,
        on_lost=ending.lost,
        hearts=hearts,
    )
    watcher.follow(controller.reloader)
    controller.follow_orders(lambda orders: levels.set_apart(orders.levels))
    controller.run()
    return controller.failure


def _connect(kubeconfig: Path | None, metrics: Metrics, connections: int) -> KubeClient:
    def observe(method: str, resource: str, code: str, seconds: float) -> None:
        del resource, seconds
        metrics.kube_requests.labels(code, method, client.host).inc()

    client = connect(kubeconfig, connections, observe)
    return client


def _leave_no_core() -> None:
    """Keys are in this memory. A pipe gets all where the limit is 0; nothing gets any of 1."""
    with suppress(OSError, ValueError):  # a limit that is lower already stays
        resource.setrlimit(resource.RLIMIT_CORE, (1, 1))


def _raise_descriptor_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
