"""`dnatctl run`: the controller."""

from __future__ import annotations

import gc
import resource
import socket
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
import structlog

from dnatctl import __version__
from dnatctl.cli.asking import STATUS_PORT
from dnatctl.cli.ending import Ending
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
from dnatctl.cli.prelude import Prelude
from dnatctl.cli.rotation import ConfigWatcher
from dnatctl.clock import SystemClock
from dnatctl.cloud.providers import open_provider
from dnatctl.control.controller import Controller
from dnatctl.control.settings import CALL_CONNECT_S, CALL_READ_S, Settings
from dnatctl.heartbeat import Heartbeats
from dnatctl.kube.client import KubeClient
from dnatctl.observe.http import ListenError, parse_address
from dnatctl.observe.logs import LEVELS, Levels, adopt_strays, configure
from dnatctl.observe.metrics import Metrics

log = structlog.get_logger(__name__)

Command = TypeVar("Command", bound=Callable[..., Any])

WATCHES = 3
SPARE_CONNECTIONS = 6

DESCRIPTORS = 65_536
"""Open files are as many as the system allows, up to this: the usual soft limit is 1,024."""

GC_THRESHOLDS = (50_000, 20, 100)
"""Requests and answers make no cycles worth looking for; at the defaults of Python the collector
takes a third of the CPU of parsing (measured)."""


class _BindAddress(click.ParamType[str]):
    """Where to listen."""

    name = "address"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """See click."""
        try:
            parse_address(value)
        except ValueError as error:
            self.fail(f"{error}: write :8080, 127.0.0.1:8080, [::1]:8080, or 0", param, ctx)
        return value


def _bind_option(flag: str, usual: str, what: str) -> Callable[[Command], Command]:
    return click.option(
        flag,
        envvar="DNATCTL_" + flag.strip("-").replace("-", "_").upper(),
        default=usual,
        show_default=True,
        type=_BindAddress(),
        show_envvar=True,
        help=what,
    )


@click.command()
@config_option
@kubeconfig_option
@namespace_option
@_bind_option(
    "--metrics-bind-address",
    ":8080",
    "Where /metrics is served; 0: nowhere.",
)
@click.option(
    "--metrics-cert-folder",
    envvar="DNATCTL_METRICS_CERT_FOLDER",
    type=click.Path(path_type=Path),
    show_envvar=True,
    help="Folder with tls.crt and tls.key (a mounted Secret, followed as it is rotated): metrics "
    "are served by TLS.",
)
@click.option(
    "--metrics-token-review/--no-metrics-token-review",
    envvar="DNATCTL_METRICS_TOKEN_REVIEW",
    default=False,
    show_default=True,
    show_envvar=True,
    help="Serve metrics only to whom the API server lets get /metrics, by the token that comes "
    "with the request. Needs --metrics-cert-folder, or every token would be read on its way.",
)
@_bind_option(
    "--health-probe-bind-address",
    ":8081",
    "Where /healthz, /livez and /readyz are served; 0: nowhere.",
)
@_bind_option(
    "--status-bind-address",
    f"127.0.0.1:{STATUS_PORT}",
    "Where /status is served, which names pods: commands reach it by a port-forward; 0: nowhere.",
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
    help="Least severe level logged; `dnatctl log-level` sets another one for a while.",
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
    metrics_cert_folder: Path | None,
    metrics_token_review: bool,
    health_probe_bind_address: str,
    status_bind_address: str,
    leader_elect: bool,
    concurrent_syncs: int,
    log_level: str,
    log_format: str,
    dry_run: bool,
) -> None:
    """Run the controller."""
    if metrics_token_review and not metrics_cert_folder:
        raise click.UsageError("--metrics-token-review needs --metrics-cert-folder")
    gc.set_threshold(*GC_THRESHOLDS)
    warnings: list[str] = []
    config = load_config(config_file, warnings.append)
    ending, metrics = Ending(), Metrics()
    metrics.config_read(good=True, at=SystemClock().now().timestamp())
    ending.watch()
    levels = Levels(log_level)
    logs = configure(levels, log_format)
    adopt_strays()
    for warning in warnings:
        log.warning("configuration", warning=warning)
    ending.flush = logs.flush
    metrics.log_lines_dropped.read = lambda: logs.dropped
    _raise_descriptor_limit()
    client = _connect(kubeconfig, metrics, concurrent_syncs + WATCHES + SPARE_CONNECTIONS)
    settings = Settings(
        config=config,
        namespace=namespace or own_namespace(client),
        identity=f"{socket.gethostname()}_{uuid.uuid4().hex[:8]}",
        metrics_address=metrics_bind_address,
        metrics_cert_folder=metrics_cert_folder,
        metrics_token_review=metrics_token_review,
        health_address=health_probe_bind_address,
        status_address=status_bind_address,
        leader_elect=leader_elect,
        workers=concurrent_syncs,
        dry_run=dry_run,
    )
    ending.at_once(_run_to_the_end(settings, client, metrics, ending, config_file, levels))


def _run_to_the_end(
    settings: Settings,
    client: KubeClient,
    metrics: Metrics,
    ending: Ending,
    config_file: Path,
    levels: Levels,
) -> int:
    """Run until it is over, in whatever way; the exit status."""
    try:
        failure = _serve(settings, client, metrics, ending, config_file, levels)
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


def _raise_descriptor_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
