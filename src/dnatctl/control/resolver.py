"""The resolver: the thread that asks the cloud for the network interfaces that are looked for."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from dnatctl.cloud.api import CloudApi, Stopped
from dnatctl.cloud.eni import EniCache
from dnatctl.cloud.errors import CloudError
from dnatctl.heartbeat import CALL_S, Heartbeats
from dnatctl.objects import Pod

log = structlog.get_logger(__name__)

PAUSE_S = 1.0
"""Longest wait for work, and the pause after a failure."""


def forgetting(enis: EniCache) -> Callable[[Pod | None, Pod | None], None]:
    """For the pods' cache: when a pod ends or loses its IP, what is known of that goes as well."""

    def pod_changed(old: Pod | None, new: Pod | None) -> None:
        for ip in _addresses(old) - _addresses(new):
            enis.forget(ip)

    return pod_changed


def _addresses(pod: Pod | None) -> set[str]:
    return set() if pod is None or pod.ended else set(pod.ips)


class EniResolver:
    """Works off what the cache wants to know, until `stop` is set."""

    def __init__(
        self, enis: EniCache, cloud: CloudApi, stop: threading.Event, hearts: Heartbeats
    ) -> None:
        self._enis = enis
        self._cloud = cloud
        self._stop = stop
        self._thread = hearts.thread("dnatctl-enis", self._run)

    def start(self) -> None:
        """Start asking."""
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            self._thread.by(CALL_S + 2 * PAUSE_S, "looks up network interfaces")
            try:
                if self._enis.wait_for_work(PAUSE_S):
                    self._enis.resolve_pending(self._cloud)
            except Stopped:
                return
            except CloudError as error:
                log.warning("looking up network interfaces failed", error=str(error))
                self._stop.wait(PAUSE_S)
            except Exception:
                log.exception("looking up network interfaces failed")
                self._stop.wait(PAUSE_S)
