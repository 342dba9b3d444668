"""Events for people (events.k8s.io/v1), recorded without ever holding up who records them."""

from __future__ import annotations

from dnatctl.clock import Clock
from dnatctl.kube.client import KubeClient
from dnatctl.objects import Key


class EventRecorder:
    """A bounded queue and one daemon thread that writes events.

    Repeats of the same (object, type, reason, action, note) become one event with a series. Each
    object has a budget; what is above it, or does not fit the queue, is dropped and counted.
    """

    dropped: int
    """Events not written: queue full, budget spent, or refused by the server."""

    def __init__(
        self,
        client: KubeClient,
        *,
        controller: str,
        instance: str,
        clock: Clock,
        dnat_version: str = "v1",
    ) -> None:
        raise NotImplementedError

    def start(self) -> None:
        """Start the thread."""
        raise NotImplementedError

    def record(
        self,
        regarding_kind: str,
        key: Key,
        uid: str,
        type: str,  # noqa: A002 - the field's name in the API
        reason: str,
        action: str,
        note: str,
        related: tuple[str, Key, str] | None = None,
    ) -> None:
        """Take down an event; returns at once.

        `regarding_kind` is `Pod` or `PodDNAT`; `type` `Normal` or `Warning`; `reason` and `action`
        UpperCamel words; `note` a sentence, cut to 1024 bytes; `related` (kind, key, UID).
        """
        raise NotImplementedError

    def flush(self, timeout: float) -> bool:
        """Wait until all that was recorded is written or dropped; whether that was in time."""
        raise NotImplementedError

    def stop(self, timeout: float = 2.0) -> None:
        """Flush, then end the thread."""
        raise NotImplementedError
