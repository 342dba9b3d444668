"""The resolver: the thread that asks the cloud for the network interfaces that are looked for."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from dnatctl.backoff import doubled
from dnatctl.cloud.api import MAX_ENI_IPS, CloudApi, Stopped
from dnatctl.cloud.eni import EniCache
from dnatctl.cloud.errors import CloudError, ErrorKind
from dnatctl.heartbeat import CALL_S, Heartbeats
from dnatctl.loop import Loop
from dnatctl.objects import Pod

log = structlog.get_logger(__name__)

PAUSE_S = 1.0
"""Longest wait for work, and the pause after a failure."""

GATHER_S = (0.15, 1.2)
"""From one answer to the next question, the first time and at most, the longer the more of them
found somebody waiting: of a burst of pods, which are looked at one by one, many are asked for at
once, however slow the machine. Nobody waits for it who comes alone; a row does only where two pods
state its IP."""


def forgetting(enis: EniCache) -> Callable[[Pod | None, Pod | None], None]:
    """For the pods' cache: when a pod ends or loses its IP, that is looked for no more."""

    def pod_changed(old: Pod | None, new: Pod | None) -> None:
        for ip in _addresses(old) - _addresses(new):
            enis.forget(ip)

    return pod_changed


def _addresses(pod: Pod | None) -> set[str]:
    return set() if pod is None or pod.ended else set(pod.ips)


class EniResolver:
    """Works off what the cache wants to know."""

    def __init__(self, enis: EniCache, cloud: CloudApi, hearts: Heartbeats) -> None:
        self._enis = enis
        self._cloud = cloud
        self._trouble = ""
        self._in_a_row = 0
        """Questions that somebody had waited for when it was time for them."""
        self._loop = Loop("dnatctl-enis", self.step, hearts, longest_s=CALL_S + PAUSE_S)

    def start(self) -> None:
        """Start asking."""
        self._loop.start()

    def stop(self) -> None:
        """Ask nothing more; does not wait."""
        self._loop.stop()

    def notes(self) -> list[str]:
        """A line for `/readyz?verbose` where nothing can be looked up."""
        what = "[!]network interfaces, which PodDNATs name: "
        return [what + self._trouble] if self._trouble else []

    def step(self) -> float | None:
        """Wait for something to look up, and do so; returns the seconds to the next step."""
        if self._enis.due_in() > 0:
            self._in_a_row = 0
        try:
            if not self._enis.wait_for_work(PAUSE_S):
                return 0.0
            full = self._enis.waiting() == MAX_ENI_IPS
            self._enis.resolve_pending(self._cloud)
            self._trouble = ""
        except Stopped:
            return None
        except CloudError as error:
            log.warning("looking up network interfaces failed", error=str(error))
            self._trouble = error.text
            if error.kind is ErrorKind.DENIED:
                self._trouble += f"; grant the controller's credentials {error.operation.action}"
            return PAUSE_S
        except Exception:
            log.exception("looking up network interfaces failed")
            return PAUSE_S
        if full:  # to wait for more saves no question
            return GATHER_S[0]
        self._in_a_row += 1
        return doubled(GATHER_S, self._in_a_row - 1)
