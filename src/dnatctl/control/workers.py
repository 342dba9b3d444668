"""The workers: threads that take keys from the queue, one at a time each."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable

import structlog

from dnatctl.clock import Clock
from dnatctl.cloud.api import Stopped
from dnatctl.control.deadline import Deadline
from dnatctl.control.queue import WorkQueue
from dnatctl.kube.errors import Failure, KubeError
from dnatctl.objects import Key
from dnatctl.observe.metrics import CONTROLLER, Metrics

log = structlog.get_logger(__name__)

EXPECTED = (Failure.CONFLICT, Failure.TOO_MANY_REQUESTS, Failure.UNREACHABLE, Failure.CANCELLED)
"""Failures of the API server that happen in good order: retried, not counted as errors."""


class Workers:
    """Runs `reconcile` on the keys of a queue."""

    def __init__(
        self,
        queue: WorkQueue[Key],
        reconcile: Callable[[Key], float | None],
        metrics: Metrics,
        clock: Clock,
        count: int,
    ) -> None:
        self._queue = queue
        self._reconcile = reconcile
        self._metrics = metrics
        self._clock = clock
        self._results = {
            result: metrics.reconciles.labels(CONTROLLER, result)
            for result in ("success", "error", "requeue", "requeue_after")
        }
        self._active = metrics.active_workers.labels(CONTROLLER)
        self._seconds = metrics.reconcile_seconds.labels(CONTROLLER)
        metrics.max_workers.labels(CONTROLLER).set(count)
        self._threads = [
            threading.Thread(target=self._run, name=f"dnatctl-worker-{n}", daemon=True)
            for n in range(count)
        ]

    def start(self) -> None:
        """Start working."""
        for thread in self._threads:
            thread.start()

    def join(self, deadline: Deadline) -> None:
        """Wait for the keys in hand, after the queue was shut down."""
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(deadline.left)

    def alive(self) -> bool:
        """Whether every worker is there."""
        return all(thread.is_alive() for thread in self._threads)

    def _run(self) -> None:
        while not self._queue.closed:
            key = self._queue.get(timeout=1.0)
            if key is None:
                continue
            started = self._clock.monotonic()
            self._active.inc()
            try:
                self._work(key)
            finally:
                self._active.dec()
                self._seconds.observe(self._clock.monotonic() - started)
                self._queue.done(key)

    def _work(self, key: Key) -> None:
        with structlog.contextvars.bound_contextvars(
            namespace=key.namespace, name=key.name, reconcile_id=uuid.uuid4().hex[:12]
        ):
            try:
                again = self._reconcile(key)
            except Stopped:
                return
            except KubeError as error:
                self._failed(key, error)
            except Exception:
                # A bug must not stop the others: counted, and tried again ever more slowly.
                log.exception("reconciliation failed")
                self._metrics.reconcile_panics.labels(CONTROLLER).inc()
                self._error(key)
            else:
                self._queue.forget(key)
                self._results["success" if again is None else "requeue_after"].inc()
                if again is not None:
                    self._queue.add_after(key, again)

    def _failed(self, key: Key, error: KubeError) -> None:
        if error.failure in EXPECTED:
            self._results["requeue"].inc()
            if error.retry_after is not None:
                self._queue.add_after(key, error.retry_after)
            else:
                self._queue.add_rate_limited(key)
            return
        log.warning("reconciliation failed", error=str(error))
        self._error(key)

    def _error(self, key: Key) -> None:
        self._results["error"].inc()
        self._metrics.reconcile_errors.labels(CONTROLLER).inc()
        self._queue.add_rate_limited(key)
