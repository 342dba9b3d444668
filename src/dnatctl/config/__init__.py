"""The configuration file: what it may say, reading it, and what is wrong with it.

`load` is the way in. What it returns is frozen and holds plain values (durations are seconds), so
that the pure parts of the program may use it.
"""

from dnatctl.config.change import changed, needs_restart
from dnatctl.config.errors import ConfigErrors, Mistake
from dnatctl.config.load import ENVIRONMENT, load, parse
from dnatctl.config.schema import (
    NATGW,
    Config,
    Credential,
    CredentialSetting,
    Endpoints,
    EntryPolicy,
    Fixed,
    GatewayConfig,
    NetworkController,
    Publishing,
)
from dnatctl.config.selector import LabelSelector
from dnatctl.config.tenants import Namespaces

__all__ = [
    "ENVIRONMENT",
    "NATGW",
    "Config",
    "ConfigErrors",
    "Credential",
    "CredentialSetting",
    "Endpoints",
    "EntryPolicy",
    "Fixed",
    "GatewayConfig",
    "LabelSelector",
    "Mistake",
    "Namespaces",
    "NetworkController",
    "Publishing",
    "changed",
    "load",
    "needs_restart",
    "parse",
]
