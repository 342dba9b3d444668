"""Takes in another configuration while at work, whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import structlog

from dnatctl.config import Config, changed, needs_restart
from dnatctl.config.doubts import doubts
from dnatctl.control.gateway.gateways import Gateways
from dnatctl.control.settings import Settings
from dnatctl.control.sight.spaces import Spaces
from dnatctl.control.state.signals import Signals
from dnatctl.control.state.views import Views

log = structlog.get_logger(__name__)

REFUSED = "ConfigRefused"
"""Reason of the event that tells of a file that is not taken in."""


class Reloader:
    """Puts a configuration into `settings`, and has everything looked at in its light.

    `tell` is given a reason and a text where a person has to see to something.
    """

    def __init__(
        self,
        settings: Settings,
        views: Views,
        gateways: Gateways,
        signals: Signals,
        tell: Callable[[str, str], None],
        spaces: Spaces,
    ) -> None:
        self._settings = settings
        self._views = views
        self._gateways = gateways
        self._signals = signals
        self._tell = tell
        self._spaces = spaces
        self._refused = ""

    def take(self, config: Config) -> bool:
        """Work with this from now on; False where that needs a restart: nothing of it is taken in,
        so that what is at work is always one file, and never parts of two."""
        old = self._settings.config
        if stuck := needs_restart(old, config):
            needs = "needs" if len(stuck) == 1 else "need"
            self.refuse([f"{', '.join(stuck)}: a change here {needs} a restart"])
            return False
        self._refused = ""
        keys = changed(old, config)
        if not keys:
            return True
        with self._views.lock:
            self._settings.config = config
            self._views.offer_again(self._settings.offers(), config.quarantine)
        log.info("configuration changed", keys=keys)
        for warning in doubts(config):
            log.warning("configuration", warning=warning)
        self._spaces.begin()
        self._gateways.describe_soon()
        self._signals.room_made()
        self._signals.resync()
        return True

    def refuse(self, problems: Iterable[str]) -> None:
        """The file as it is now is not taken in, for these reasons: that is told."""
        why = "; ".join(problems)
        if why == self._refused:
            return
        self._refused = why
        text = f"the changed configuration is not taken in, the one before stays: {why}"
        log.warning("configuration refused", problems=why)
        self._tell(REFUSED, text)

    def notes(self) -> list[str]:
        """Lines for `/readyz?verbose`: what is wrong with the file as it is now."""
        return [f"[!]configuration file: not taken in: {self._refused}"] if self._refused else []
