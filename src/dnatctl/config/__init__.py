"""The configuration file: what it may say, reading it, and what is wrong with it.

`load` is the way in. What it returns is frozen and holds plain values (durations are seconds), so
that the pure parts of the program may use it.
"""

from dnatctl.config.errors import ConfigErrors, Problem
from dnatctl.config.load import ENVIRONMENT, load, parse
from dnatctl.config.schema import (
    NATGW,
    Config,
    Credential,
    CredentialType,
    Endpoints,
    Fixed,
    GatewayConfig,
    Namespaces,
    NetworkController,
    Policy,
    Publish,
)

__all__ = [
    "ENVIRONMENT",
    "NATGW",
    "Config",
    "ConfigErrors",
    "Credential",
    "CredentialType",
    "Endpoints",
    "Fixed",
    "GatewayConfig",
    "Namespaces",
    "NetworkController",
    "Policy",
    "Problem",
    "Publish",
    "load",
    "parse",
]
