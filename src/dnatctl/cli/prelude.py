"""What comes before a controller: the API server has to serve PodDNATs."""

from __future__ import annotations

import threading

import structlog

from dnatctl.heartbeat import Heartbeats
from dnatctl.kube.client import KubeClient
from dnatctl.kube.errors import KubeError
from dnatctl.kube.poddnats import served_version
from dnatctl.observe.health import HealthServer
from dnatctl.observe.http import told_with

log = structlog.get_logger(__name__)

RETRY_S = 5.0


class Prelude:
    """Waits until PodDNATs are served; meanwhile it is alive, and says why it is not ready.

    A probe that nobody answers would have it restarted again and again, and tell nothing.
    """

    def __init__(self, client: KubeClient, stop: threading.Event, hearts: Heartbeats) -> None:
        self._client = client
        self._stop = stop
        self._hearts = hearts
        self._wrong = ""
        self.port = 0
        """Where health is served meanwhile; 0 while it is not."""

    def served(self, health_address: str) -> str | None:
        """The version that is served; None if told to stop first. Raises ListenError."""
        if (version := self._look()) is not None:
            return version
        live = {"threads": self._hearts.complaint}
        ready = {**live, "definition": lambda: self._wrong}
        checks = {"healthz": live, "livez": live, "readyz": ready}
        with told_with("--health-probe-bind-address"):
            server = HealthServer(health_address, checks, hearts=self._hearts)
        server.start()
        self.port = server.port
        try:
            while version is None and not self._stop.wait(RETRY_S):
                version = self._look()
        finally:
            self.port = 0
            server.stop()
        return version

    def _look(self) -> str | None:
        try:
            return served_version(self._client)
        except KubeError as error:
            self._wrong = f"no PodDNATs: is the CRD installed? {error}"
            log.warning("no PodDNATs: is the CRD installed?", error=str(error))
            return None
