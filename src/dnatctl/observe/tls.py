"""The certificate of a door, followed as it is rotated."""

from __future__ import annotations

import ssl
from pathlib import Path

import structlog

from dnatctl.observe.http import ListenError

log = structlog.get_logger(__name__)

CERTIFICATE = "tls.crt"
KEY = "tls.key"
"""As in a Secret of type kubernetes.io/tls, mounted as a folder."""

Stamp = tuple[tuple[int, int, int], ...]


class Certificate:
    """The pair in a folder. Raises ListenError where there is none to begin with; one that comes
    later and is none is told, and the one before stays.
    """

    def __init__(self, folder: Path) -> None:
        self._files = folder / CERTIFICATE, folder / KEY
        self._stamp = self._look()
        try:
            self._context = self._load()
        except (OSError, ValueError) as error:
            raise ListenError(f"no certificate in {folder}: {error}") from error

    def context(self) -> ssl.SSLContext:
        """For the next connection: of the pair that is there now."""
        stamp = self._look()
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._context = self._load()
            except (OSError, ValueError) as error:
                log.warning("certificate not taken in, the one before stays", error=str(error))
            else:
                log.info("certificate taken in", file=str(self._files[0]))
        return self._context

    def _look(self) -> Stamp:
        return tuple(_stamp(file) for file in self._files)

    def _load(self) -> ssl.SSLContext:
        # A new one each time: a pair that does not fit would leave half of itself in the old one.
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        certificate, key = self._files
        # A key that wants a password is an error, not a question on the terminal.
        context.load_cert_chain(certificate, key, password=lambda: "")
        return context


def _stamp(file: Path) -> tuple[int, int, int]:
    try:
        found = file.stat()
    except OSError:
        return 0, 0, 0
    return found.st_ino, found.st_mtime_ns, found.st_size
