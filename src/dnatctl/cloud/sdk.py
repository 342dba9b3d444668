"""The vendor's SDK, tamed: one call in, one body or one `CloudError` out.

What its users must know: nothing is retried here, since only the caller knows whether a repeat is
safe; a call ends within its deadline, whatever the other side does; connections are kept for the
life of the process. How it is sent: `calling`, `web`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

from alibabacloud_tea_openapi.utils_models import Config
from alibabacloud_vpc20160428.client import Client as VpcClient
from Tea.exceptions import TeaException
from urllib3.exceptions import HTTPError

from dnatctl.cloud.api import Guard, Stopped
from dnatctl.cloud.calling import BAD_TIME, Calling, Turn
from dnatctl.cloud.credentials import CredentialError
from dnatctl.cloud.errors import CloudError, ErrorKind
from dnatctl.cloud.framing import framed
from dnatctl.cloud.limits import Limits
from dnatctl.cloud.operation import Operation
from dnatctl.cloud.providers import Provider
from dnatctl.cloud.translate import from_sdk, unreadable
from dnatctl.cloud.web import Web

OK: Final = "ok"

OnCall = Callable[[Operation, str, float], None]
"""Told of every call: the operation, `OK` or an ErrorKind, and its seconds, waiting excluded."""

_METHODS: Final = {
    Operation.CREATE: "create_forward_entry_with_options",
    Operation.DELETE: "delete_forward_entry_with_options",
    Operation.MODIFY: "modify_forward_entry_with_options",
    Operation.READ_TABLE: "describe_forward_table_entries_with_options",
    Operation.READ_GATEWAYS: "describe_nat_gateways_with_options",
    Operation.READ_EIPS: "describe_eip_addresses_with_options",
    Operation.READ_ENIS: "describe_network_interfaces_with_options",
}
UNREADABLE: Final = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What is raised by those who read an answer that is not of the documented shape."""
_LOGGERS: Final = ("darabonba-core", "alibabacloud-tea", "credentials")


@dataclass(frozen=True, slots=True)
class ApiHost:
    """Where a product's API is: `host[:port]`, empty for the region's public one."""

    host: str = ""
    protocol: str = "https"

    @classmethod
    def parse(cls, text: str) -> ApiHost:
        """Read `https://host`, `http://host:port` or `host`. Raises ValueError for the rest."""
        if not text:
            return cls()
        parts = urlsplit(text if "://" in text else f"https://{text}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"not an endpoint: {text!r}; write https://host or http://host:port")
        if parts.path.strip("/") or parts.query or parts.username or parts.port == 0:
            raise ValueError(
                f"an endpoint is a host and no more: {parts.scheme}://{parts.hostname}"
            )
        return cls(parts.netloc, parts.scheme)


@dataclass(frozen=True, slots=True)
class SdkSettings:
    """How to reach the cloud. In seconds: for a connection, and for a wait in between; a call ends
    within both together.
    """

    region_id: str
    vpc: ApiHost
    ecs: ApiHost
    user_agent: str
    connect_timeout: float
    read_timeout: float


class Sdk:
    """The SDK's clients, shared by all threads, with the rate limits in front of them."""

    def __init__(
        self, settings: SdkSettings, provider: Provider, limits: Limits, observe: OnCall
    ) -> None:
        self._settings = settings
        self._provider = provider
        self._limits = limits
        self._observe = observe
        self._web = Web(settings.connect_timeout, settings.read_timeout)
        self._ecs: Any = None
        self._ecs_lock = threading.Lock()
        self._vpc = self._opened(VpcClient, settings.vpc)
        _silence()

    def call(self, operation: Operation, request: Any, guard: Guard | None = None) -> Any:
        """The body of the answer. Raises CloudError; Stopped if the program ends before the call,
        or the guard says no.

        A refusal of the credentials is answered once with others, where there are others, and one
        of the date with the date that the cloud says it is.
        """
        try:
            return self._attempt(operation, request, guard)
        except CloudError as error:
            if error.kind is not ErrorKind.AUTH or not self._worth_another(error):
                raise
        return self._attempt(operation, request, guard)

    def rates(self) -> dict[Operation, float | None]:
        """See `Limits.rates`."""
        return self._limits.rates()

    def _worth_another(self, error: CloudError) -> bool:
        # A nonce is made for each attempt, so the next one has a new one.
        if error.code == "SignatureNonceUsed" or error.code.startswith(BAD_TIME):
            return True
        return error.code != "" and self._provider.renew()

    def _attempt(self, operation: Operation, request: Any, guard: Guard | None) -> Any:
        method = getattr(self._client(operation), _METHODS[operation])
        self._limits.take(operation)
        turn = Turn(partial(_ask, guard))
        started = time.perf_counter()
        body, error = None, None
        try:
            body = method(request, turn).body
        except (TeaException, CredentialError, HTTPError) as exc:
            error = from_sdk(operation, exc, turn.secrets)
        except UNREADABLE:
            error = unreadable(operation, "not as documented")
        if error is None and body is None:
            error = unreadable(operation, "no body")
        self._account(operation, error, time.perf_counter() - started)
        if error is not None:
            # Raised out here, so that no traceback shows the SDK's own, which holds the URL.
            raise error
        return body

    def _account(self, operation: Operation, error: CloudError | None, seconds: float) -> None:
        kind = OK if error is None else error.kind
        if error is not None and kind == ErrorKind.THROTTLED:
            self._limits.throttled(operation, error.retry_after)
        elif error is None or error.code:
            self._limits.passed(operation)
        self._observe(operation, kind, seconds)

    def _client(self, operation: Operation) -> Any:
        if operation is not Operation.READ_ENIS:
            return self._vpc
        with self._ecs_lock:
            if self._ecs is None:
                # Late: it costs 0.2 s and 19 MB, and many installations never need it.
                from alibabacloud_ecs20140526.client import Client as EcsClient

                self._ecs = self._opened(EcsClient, self._settings.ecs)
            return self._ecs

    def _opened(self, client_class: Any, endpoint: ApiHost) -> Any:
        credential = framed(self._provider)
        client = client_class(
            Config(
                credential=credential,
                region_id=self._settings.region_id,
                endpoint=endpoint.host or None,
                protocol=endpoint.protocol,
            )
        )
        host = client._endpoint  # noqa: SLF001 - it alone knows the one of its region
        client.call_api = Calling(
            self._web, credential, host, endpoint.protocol, self._settings.user_agent
        )
        return client


def _ask(guard: Guard | None) -> None:
    if guard is not None and not guard():
        raise Stopped


def _silence() -> None:
    """Undo what importing the SDK does to logging.

    It prints every record a second time, and with DEBUG=sdk in the environment it logs the
    signed headers, session token included.
    """
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        logger.setLevel(logging.WARNING)
        for handler in list(logger.handlers):
            logger.removeHandler(handler)
