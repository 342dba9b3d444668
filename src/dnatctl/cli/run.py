"""`dnatctl run`: the controller."""

from __future__ import annotations

import gc
import os
import signal
import socket
import threading
import uuid
from pathlib import Path
from typing import NoReturn

import click
import structlog

from dnatctl import __version__
from dnatctl.cli.options import (
    config_option,
    connect,
    connect_cloud,
    credential_source,
    kubeconfig_option,
    load_config,
    namespace_option,
    own_namespace,
)
from dnatctl.cli.rotation import KeyWatcher
from dnatctl.cloud.providers import StaticProvider, open_provider
from dnatctl.control.controller import Controller
from dnatctl.control.settings import CALL_CONNECT_S, CALL_READ_S, Settings
from dnatctl.kube.client import KubeClient
from dnatctl.kube.errors import KubeError
from dnatctl.kube.poddnats import served_version
from dnatctl.observe.logs import LEVELS, configure
from dnatctl.observe.metrics import Metrics

log = structlog.get_logger(__name__)

WATCHES = 3
SPARE_CONNECTIONS = 6
CRD_RETRY_S = 5.0

GC_THRESHOLDS = (50_000, 20, 100)
"""Requests and answers make no cycles worth looking for; at the defaults of Python the collector
takes a third of the CPU of parsing (measured)."""


@click.command()
@config_option
@kubeconfig_option
@namespace_option
@click.option(
    "--metrics-bind-address",
    envvar="DNATCTL_METRICS_BIND_ADDRESS",
    default=":8080",
    show_default=True,
    show_envvar=True,
    help="Where /metrics is served; 0: nowhere.",
)
@click.option(
    "--health-probe-bind-address",
    envvar="DNATCTL_HEALTH_PROBE_BIND_ADDRESS",
    default=":8081",
    show_default=True,
    show_envvar=True,
    help="Where /healthz, /livez and /readyz are served; 0: nowhere.",
)
@click.option(
    "--leader-elect/--no-leader-elect",
    envvar="DNATCTL_LEADER_ELECT",
    default=True,
    show_default=True,
    show_envvar=True,
    help="Wait for the Lease, or take it at once: then run one replica only, and update it with "
    "strategy Recreate, as for a second after the start the one before may still write.",
)
@click.option(
    "--concurrent-syncs",
    envvar="DNATCTL_CONCURRENT_SYNCS",
    default=4,
    show_default=True,
    type=click.IntRange(1, 64),
    show_envvar=True,
    help="Workers.",
)
@click.option(
    "--log-level",
    envvar="DNATCTL_LOG_LEVEL",
    default="info",
    show_default=True,
    type=click.Choice(list(LEVELS)),
    show_envvar=True,
    help="Least severe level logged.",
)
@click.option(
    "--log-format",
    envvar="DNATCTL_LOG_FORMAT",
    default="json",
    show_default=True,
    type=click.Choice(["json", "console"]),
    show_envvar=True,
    help="Form of log lines.",
)
@click.option(
    "--dry-run",
    envvar="DNATCTL_DRY_RUN",
    is_flag=True,
    show_envvar=True,
    help="Log what would be done, and do nothing.",
)
def run(
    config_file: Path,
    kubeconfig: Path | None,
    namespace: str | None,
    metrics_bind_address: str,
    health_probe_bind_address: str,
    leader_elect: bool,
    concurrent_syncs: int,
    log_level: str,
    log_format: str,
    dry_run: bool,
) -> None:
    """Run the controller."""
    gc.set_threshold(*GC_THRESHOLDS)
    config = load_config(config_file)
    configure(log_level, log_format)
    stop = threading.Event()
    _handle_signals(stop)
    metrics = Metrics()
    client = _connect(kubeconfig, metrics, concurrent_syncs + WATCHES + SPARE_CONNECTIONS)
    settings = Settings(
        config=config,
        namespace=namespace or own_namespace(client),
        identity=f"{socket.gethostname()}_{uuid.uuid4().hex[:8]}",
        metrics_address=metrics_bind_address,
        health_address=health_probe_bind_address,
        leader_elect=leader_elect,
        workers=concurrent_syncs,
        dry_run=dry_run,
    )
    _serve(settings, client, metrics, stop, config_file)


def _serve(
    settings: Settings,
    client: KubeClient,
    metrics: Metrics,
    stop: threading.Event,
    config_file: Path,
) -> None:
    provider = open_provider(credential_source(settings.config))
    if isinstance(provider, StaticProvider):
        KeyWatcher(config_file, provider, stop).start()
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
    version = _wait_for_crd(client, stop)
    if version is None:
        return
    log.info("PodDNATs", version=version)
    Controller(
        settings, client, cloud, version, metrics=metrics, stop=stop, on_lost=_exit_at_once
    ).run()


def _connect(kubeconfig: Path | None, metrics: Metrics, connections: int) -> KubeClient:
    def observe(method: str, resource: str, code: str, seconds: float) -> None:
        del resource, seconds
        metrics.kube_requests.labels(code, method, client.host).inc()

    client = connect(kubeconfig, connections, observe)
    return client


def _wait_for_crd(client: KubeClient, stop: threading.Event) -> str | None:
    while not stop.is_set():
        try:
            return served_version(client)
        except KubeError as error:
            log.warning("no PodDNATs: is the CRD installed?", error=str(error))
        stop.wait(CRD_RETRY_S)
    return None


def _handle_signals(stop: threading.Event) -> None:
    def handle(number: int, frame: object) -> None:
        del frame
        if stop.is_set():
            os._exit(128 + number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handle)


def _exit_at_once() -> NoReturn:
    """Another replica may lead any moment: nothing of this one may live on."""
    os._exit(1)
