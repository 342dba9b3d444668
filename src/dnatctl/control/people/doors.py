"""What a replica can be asked over HTTP: health, metrics and status, on an address each."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import structlog

from dnatctl.control.settings import Settings
from dnatctl.heartbeat import Heartbeats
from dnatctl.kube.scrapers import Scrapers
from dnatctl.observe.health import Check, HealthServer
from dnatctl.observe.http import ListenError, told_with
from dnatctl.observe.metrics import Metrics
from dnatctl.observe.tls import Certificate

log = structlog.get_logger(__name__)


class Doors:
    """The three servers. Raises ListenError where health or metrics cannot be served; status, which
    is for people alone, is then not served.
    """

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        hearts: Heartbeats,
        *,
        checks: Mapping[str, Mapping[str, Check]],
        notes: Callable[[], list[str]],
        status: Callable[[], bytes],
        scrapers: Scrapers,
    ) -> None:
        with told_with("--health-probe-bind-address"):
            self._health = HealthServer(settings.health_address, checks, notes=notes, hearts=hearts)
        folder = settings.metrics_cert_folder
        certificate = Certificate(folder) if folder else None
        with told_with("--metrics-bind-address"):
            self._scraped = HealthServer(
                settings.metrics_address,
                {},
                metrics.registry,
                hearts=hearts,
                admit=scrapers.admit if settings.metrics_token_review else None,
                tls=certificate.context if certificate else None,
            )
        self._status: HealthServer | None = None
        try:
            with told_with("--status-bind-address"):
                self._status = HealthServer(
                    settings.status_address, {}, pages={"status": status}, hearts=hearts
                )
        except ListenError as error:
            log.warning("status is not served", error=str(error))
        self._servers = [s for s in (self._health, self._scraped, self._status) if s is not None]
        metrics.http_connections_dropped.read = lambda: sum(s.dropped for s in self._servers)

    @property
    def health_port(self) -> int:
        """Where health is served; 0 if it is not."""
        return self._health.port

    @property
    def status_port(self) -> int:
        """Where status is served; 0 if it is not."""
        return self._status.port if self._status else 0

    def start(self) -> None:
        """Start serving."""
        for server in self._servers:
            server.start()
        log.info(
            "serving",
            health_port=self._health.port,
            metrics_port=self._scraped.port,
            status_port=self.status_port,
        )

    def stop(self) -> None:
        """Stop serving."""
        for server in self._servers:
            server.stop()
