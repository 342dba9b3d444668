"""Breaking off, from another thread, a request that waits for its answer."""

from __future__ import annotations


class Canceller:
    """Given along with requests; `cancel` ends the one in flight and refuses all later ones."""

    cancelled: bool = False

    def cancel(self) -> None:
        """Break off now. The request raises KubeError (CANCELLED). May be called repeatedly."""
        raise NotImplementedError
