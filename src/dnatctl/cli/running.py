"""`dnatctl run`, once its flags are read.

Apart from the flags: what a controller is made of takes half a second to load, which `--help` and a
mistyped flag need not wait for.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog

from dnatctl import __version__
from dnatctl.cli import process
from dnatctl.cli.ending import Ending
from dnatctl.cli.options import (
    connect,
    connect_cloud,
    credential_source,
    load_config,
    own_identity,
    own_namespace,
)
from dnatctl.cli.prelude import Prelude
from dnatctl.cli.rotation import ConfigWatcher, WatchedFile
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
    process.prepare()
    warnings: list[str] = []
    file = WatchedFile(flags.config_file)
    config = load_config(file.path, warnings.append)
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
    connections = flags.concurrent_syncs + WATCHES + SPARE_CONNECTIONS
    client = _connect(flags.kubeconfig, metrics, connections)
    settings = Settings(
        config=config,
        namespace=flags.namespace or own_namespace(client),
        identity=own_identity(socket.gethostname()),
        metrics_address=flags.metrics_bind_address,
        metrics_cert_folder=flags.metrics_cert_folder,
        metrics_token_review=flags.metrics_token_review,
        health_address=flags.health_probe_bind_address,
        status_address=flags.status_bind_address,
        leader_elect=flags.leader_elect,
        workers=flags.concurrent_syncs,
        dry_run=flags.dry_run,
    )
    serve = partial(_serve, settings, client, metrics, ending, file, levels)
    ending.at_once(_exit_status(serve))


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
    file: WatchedFile,
    levels: Levels,
) -> str:
    """Run until told to stop; what made it end otherwise, "" if nothing."""
    stop, hearts = ending.stop, Heartbeats()
    provider = open_provider(credential_source(settings.config))
    metrics.credentials_expire.read = provider.expires_at
    watcher = ConfigWatcher(file, provider, stop, hearts, tell=metrics.config_read)
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
