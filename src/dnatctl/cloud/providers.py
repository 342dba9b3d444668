"""Credentials while the program runs: kept, renewed in time, and served as long as they are good.

Fixed key pairs are held by the vendor's own provider. For what is lent theirs are not used: the one
for OIDC raises when STS fails in the last quarter of an hour although its credentials are still
good, the one for RAM roles starts a scheduler thread in every process and cannot be pointed
elsewhere, and there is none for ACK's token file (alibabacloud-credentials 1.0.12). How the SDK is
given them: `framing`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, Protocol

import structlog
from alibabacloud_credentials.provider.static_ak import StaticAKCredentialsProvider

from dnatctl.clock import Clock, SystemClock
from dnatctl.cloud import fetch
from dnatctl.cloud.credentials import (
    AccessKey,
    AddonToken,
    CredentialError,
    CredentialSource,
    KeyFiles,
    Keys,
    RamRole,
    Rrsa,
)

RENEW_BEFORE: Final = 15 * 60
"""Seconds before expiry at which renewal starts, or half of the life of shorter-lived ones."""

RETRY_AFTER: Final = 30
"""Seconds between attempts to renew while the credentials at hand are still good."""

RETRY_AFTER_NONE: Final = 2
"""Seconds for which a failure is repeated to callers while there are no good credentials, or where
theirs are refused."""

UNCLEAR_LIFE: Final = 5 * 60
"""Seconds for which credentials are tried that by this machine's clock had expired when lent."""

FRESH: Final = 5
"""Seconds for which credentials just lent are not exchanged again, however often refused."""

RESTS: Final = {True: 5, False: 30}
"""Seconds for which credentials of a file that were refused are not used, unless the file changes:
by whether they are good by this machine's clock."""

_log = structlog.get_logger(__name__)


class Provider(Protocol):
    """Credentials for any number of threads."""

    def keys(self) -> Keys:
        """Credentials that are good now. Raises CredentialError if there are none."""
        ...

    def renew(self) -> bool:
        """The cloud has refused the present ones: get others; whether that changed anything."""
        ...

    def expires_at(self) -> float | None:
        """When the credentials that were last used expire, in POSIX seconds; None: never, or none
        were used so far."""
        ...


def open_provider(source: CredentialSource, clock: Clock | None = None) -> Provider:
    """The provider for a chosen source. Nothing is fetched before the first use."""
    clock = clock or SystemClock()
    match source:
        case AccessKey(keys):
            return StaticProvider(keys)
        case AddonToken(path):
            return FileProvider((path,), fetch.read_addon_token, clock)
        case KeyFiles():
            return FileProvider(source.paths, fetch.read_key_pair, clock)
        case RamRole():
            return LentProvider(lambda: fetch.fetch_ram_role(source), clock)
        case Rrsa():
            return LentProvider(lambda: fetch.fetch_rrsa(source), clock)


def _good(keys: Keys, now: float) -> bool:
    return keys.expires_at is None or now < keys.expires_at


def _expiry(keys: Keys | None) -> float | None:
    return keys.expires_at if keys else None


class StaticProvider:
    """A fixed key pair. `replace` swaps it at any time, as when the configuration is reloaded."""

    def __init__(self, keys: Keys) -> None:
        self.replace(keys)

    def keys(self) -> Keys:
        """See `Provider.keys`."""
        held = self._held.get_credentials()
        return Keys(held.get_access_key_id(), held.get_access_key_secret())

    def replace(self, keys: Keys) -> None:
        """Sign every later call with `keys`."""
        # Swapped as one: a call must not be signed with the ID of one pair and another's secret.
        self._held = StaticAKCredentialsProvider(
            access_key_id=keys.access_key_id, access_key_secret=keys.access_key_secret
        )

    def renew(self) -> bool:
        """See `Provider.renew`: there is nowhere to get others from."""
        return False

    def expires_at(self) -> float | None:
        """See `Provider.expires_at`."""
        return None


class LentProvider:
    """Credentials lent for a time by a service, renewed ahead of expiry.

    Renewal happens in the thread that finds it due; the others go on with the present ones. When
    it fails, the present ones are served until they expire.

    How long they live is reckoned when they are lent, and measured on the monotonic clock: one that
    jumps costs nothing. Where it is wrong from the start, what is lent may seem to have expired:
    whether it has is the cloud's to say.
    """

    def __init__(self, fetch: Callable[[], Keys], clock: Clock) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: Keys | None = None
        self._lent_at = float("-inf")
        self._good_until = float("-inf")
        self._renew_at = float("-inf")
        self._failed_at = float("-inf")
        self._failure = ""

    def keys(self) -> Keys:
        """See `Provider.keys`."""
        now = self._now()
        keys = self._keys
        if keys is not None and now < self._renew_at:
            return keys
        if keys is not None and now < self._good_until:
            self._renew_ahead()
            return self._keys or keys
        with self._lock:
            return self._first()

    def renew(self) -> bool:
        """See `Provider.renew`."""
        with self._lock:
            now = self._now()
            # Most likely another thread was refused too and has been here first.
            if now - self._lent_at < FRESH:
                return True
            if now - self._failed_at < RETRY_AFTER_NONE:
                return False
            before = self._keys
            self._attempt()
            return self._keys is not before

    def expires_at(self) -> float | None:
        """See `Provider.expires_at`."""
        return _expiry(self._keys)

    def _renew_ahead(self) -> None:
        """Renew, unless another thread is at it: the present credentials will do until then."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            now = self._now()
            if now >= self._renew_at:
                self._attempt()
        finally:
            self._lock.release()

    def _first(self) -> Keys:
        """Under the lock, with no good credentials at hand; another thread may just have got some.

        A recent failure is repeated rather than tried again by every waiting thread.
        """
        if self._now() >= self._renew_at:
            self._attempt()
        if self._keys is None or self._now() >= self._good_until:
            raise CredentialError(self._failure)
        return self._keys

    def _attempt(self) -> None:
        try:
            keys = self._fetch()
        except CredentialError as exc:
            # That may have taken long, and those who waited for it are to have the same answer.
            now = self._failed_at = self._now()
            good = now < self._good_until
            self._failure = str(exc)
            self._renew_at = now + (RETRY_AFTER if good else RETRY_AFTER_NONE)
            _log.warning("credentials not renewed", error=str(exc), present_ones_good=good)
            return
        now, life = self._now(), self._life(keys)
        self._keys, self._lent_at, self._good_until = keys, now, now + life
        self._renew_at = now + max(life - RENEW_BEFORE, life / 2, RETRY_AFTER_NONE)
        self._failure = "the credentials that were lent have expired"

    def _life(self, keys: Keys) -> float:
        """For how many seconds they are to be used."""
        if keys.expires_at is None:
            return UNCLEAR_LIFE
        life = keys.expires_at - self._clock.now().timestamp()
        if life > 0:
            return life
        _log.warning("credentials seem to have expired as soon as lent: is the clock right?")
        return UNCLEAR_LIFE

    def _now(self) -> float:
        return self._clock.monotonic()


class FileProvider:
    """Credentials in files that something else keeps fresh; read again whenever one changes.

    `parse` is given the contents of the files, in their order. Whether they have expired is the
    cloud's to say, as this machine's clock may be wrong: what it has refused rests for a while.
    """

    def __init__(self, paths: Iterable[str], parse: Callable[..., Keys], clock: Clock) -> None:
        self._paths = tuple(map(Path, paths))
        self._parse = parse
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: tuple[tuple[int, int, int], ...] = ()
        self._keys: Keys | None = None
        self._changed_at = float("-inf")
        self._rests_until = float("-inf")
        self._failure = ""

    def keys(self) -> Keys:
        """See `Provider.keys`."""
        with self._lock:
            self._look()
            if self._keys is not None and self._clock.monotonic() >= self._rests_until:
                return self._keys
            raise CredentialError(self._failure or self._refused())

    def renew(self) -> bool:
        """See `Provider.renew`."""
        with self._lock:
            now = self._clock.monotonic()
            self._look()
            # Most likely those before were refused: another thread has used them until just now.
            changed = now - self._changed_at < FRESH
            if self._keys is not None and not changed:
                self._rests_until = now + RESTS[self._seem_good()]
            return changed

    def expires_at(self) -> float | None:
        """See `Provider.expires_at`."""
        return _expiry(self._keys)

    def _look(self) -> None:
        """Read the files if one is another than last time; keep what was good otherwise."""
        try:
            # A mounted Secret is swapped by a symbolic link, so the inode tells it best.
            seen = tuple(_stamp(path) for path in self._paths)
            if seen == self._seen:
                return
            keys = self._parse(*(path.read_bytes() for path in self._paths))
            if seen != tuple(_stamp(path) for path in self._paths):
                return  # swapped while it was read: an ID with the secret of another
            if self._keys is not None:
                self._changed_at = self._clock.monotonic()
            self._keys, self._seen, self._failure = keys, seen, ""
            self._rests_until = float("-inf")
        except (OSError, CredentialError) as exc:
            self._failure = f"cannot use {self._names()}: {exc}"

    def _seem_good(self) -> bool:
        now = self._clock.now().timestamp()
        return self._keys is not None and _good(self._keys, now)

    def _refused(self) -> str:
        why = "are refused by the cloud" if self._seem_good() else "have expired"
        return f"the credentials in {self._names()} {why}: they are tried again now and then"

    def _names(self) -> str:
        return " and ".join(map(str, self._paths))


def _stamp(path: Path) -> tuple[int, int, int]:
    stat = path.stat()
    return stat.st_ino, stat.st_mtime_ns, stat.st_size
