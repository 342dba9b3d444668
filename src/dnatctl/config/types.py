"""The kinds of value that settings have, each with the words that say what is allowed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    StrictInt,
    StrictStr,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from dnatctl.config.selector import LabelSelector


@dataclass(frozen=True, slots=True)
class Allowed:
    """What a setting may be, as an error message and the reference say it."""

    text: str


def refusal(allowed: str) -> PydanticCustomError:
    """The error of a validator that knows better than the type what would be allowed."""
    return PydanticCustomError("refused", "{allowed}", {"allowed": allowed})


_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0}
_DURATION = re.compile(r"(?=.)(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6}(?:\.\d{1,3})?)s)?")


def parse_duration(text: object) -> float:
    """Seconds of `30s`, `5m`, `24h`, `1h30m` or `0.5s`. Raises ValueError for anything else."""
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError("not a duration")
    amounts = zip(match.groups(), _UNITS.values(), strict=True)
    return sum(float(amount) * unit for amount, unit in amounts if amount)


def format_duration(seconds: float) -> str:
    """The shortest text that `parse_duration` reads as that many seconds: `24h`, `1h30m`, `0s`."""
    whole, millis = divmod(round(seconds * 1000), 60_000)
    hours, minutes = divmod(whole, 60)
    parts = ((str(hours), "h"), (str(minutes), "m"), (f"{millis / 1000:g}", "s"))
    return "".join(amount + unit for amount, unit in parts if amount != "0") or "0s"


def _switch(value: object) -> object:
    """Read a quoted `"true"`, which is what environment variables and Helm values become."""
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


def _endpoint(text: str) -> str:
    """Bring an address to `scheme://host[:port]`; a bare host is reached by https."""
    url = (text if "://" in text else f"https://{text}").rstrip("/")
    # Nothing but scheme, host and port: a user name and password would end up in logs.
    if not re.fullmatch(r"https?://[A-Za-z0-9.:\[\]-]+", url) or not urlsplit(url).hostname:
        raise ValueError("not the address of a service")
    if urlsplit(url).port == 0:
        raise ValueError("no port to connect to")
    return url


def _eip(text: str) -> str:
    address = IPv4Address(text)
    if address.is_unspecified:
        raise ValueError("not an address that an EIP can have")
    return str(address)


def _network(text: object) -> IPv4Network:
    if not isinstance(text, str) or "/" not in text:
        raise ValueError("a network has a prefix length")
    return IPv4Network(text)


def _span(value: object) -> str:
    """`22` and `2379-2380` as text, whether YAML takes them for numbers or not."""
    text = str(value) if type(value) in (int, str) else ""
    first, dash, last = text.partition("-")
    numbers = [first, last] if dash else [first]
    if not all(re.fullmatch("[1-9][0-9]{0,4}", number) for number in numbers):
        raise ValueError("not a port, nor a range of ports")
    if not int(first) <= int(numbers[-1]) <= 65535:
        raise ValueError("no such range")
    return text


def _printable(secret: SecretStr) -> SecretStr:
    if not re.fullmatch("[!-;=?-~]*", secret.get_secret_value()):  # no <placeholder> either
        raise ValueError("not a credential")
    return secret


Switch = Annotated[bool, BeforeValidator(_switch), Field(strict=True), Allowed("true or false")]
Port = Annotated[StrictInt, Field(ge=1, le=65535), Allowed("a port, 1 to 65535")]
PortSpan = Annotated[str, BeforeValidator(_span), WithJsonSchema({"type": ["integer", "string"]})]
Count = Annotated[StrictInt, Field(ge=0), Allowed("a whole number, 0 or more")]
Positive = Annotated[StrictInt, Field(ge=1), Allowed("a whole number, 1 or more")]
Rate = Annotated[float, Field(ge=0.001, allow_inf_nan=False, strict=True)]
Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    Allowed("a duration such as 30s, 5m, 24h or 1h30m"),
]
# At a hundredth of that one core does nothing else, and the cloud is read without end.
Period = Annotated[
    Duration, Field(ge=0.1), Allowed("a duration of 0.1s or more, such as 30s, 5m or 1h")
]
Eip = Annotated[StrictStr, AfterValidator(_eip)]
Network = Annotated[IPv4Network, BeforeValidator(_network)]
ApiAddress = Annotated[
    StrictStr,
    AfterValidator(_endpoint),
    Allowed("an address such as http://127.0.0.1:9100, or a host name, which is reached by https"),
]
Secret = Annotated[
    SecretStr, AfterValidator(_printable), Allowed("letters, digits and signs, no spaces")
]
ClusterID = Annotated[
    StrictStr,
    Field(pattern=r"^[A-Za-z0-9-]{1,64}$"),
    Allowed("1 to 64 letters, digits and '-'"),
]
RegionID = Annotated[
    StrictStr,
    Field(pattern=r"^[a-z]{2,}(-[a-z0-9]+)+$"),
    Allowed("the ID of a region, such as cn-hangzhou"),
]
ZoneID = Annotated[
    StrictStr,
    Field(pattern=r"^[a-z]{2,}(-[a-z0-9]+)+$"),
    Allowed("the ID of a zone, such as cn-hangzhou-j"),
]
VpcID = Annotated[
    StrictStr,
    Field(pattern=r"^vpc-[A-Za-z0-9-]+$"),
    Allowed("the ID of a VPC, such as vpc-bp1rkq0z"),
]
GatewayID = Annotated[
    StrictStr,
    Field(pattern=r"^ngw-[A-Za-z0-9-]+$"),
    Allowed("the ID of an Internet NAT gateway, such as ngw-bp1uewa15k4iy"),
]
Kind = Annotated[StrictStr, Field(pattern=r"^[A-Z][A-Za-z0-9]{0,62}$")]
NamespacePattern = Annotated[StrictStr, Field(pattern=r"^[a-z0-9*]([a-z0-9*-]{0,61}[a-z0-9*])?$")]
NamespaceOrRest = Annotated[StrictStr, Field(pattern=r"^(\*|[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)$")]
Selector = Annotated[
    LabelSelector,
    BeforeValidator(LabelSelector.parse),
    WithJsonSchema({"type": "string"}),
    Allowed("a label selector, such as dnat=allowed or team in (games, ads),!internal"),
]
