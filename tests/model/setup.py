"""What the controller of a small world is configured with."""

from __future__ import annotations

from typing import NamedTuple

from dnatctl.model import PortRange
from dnatctl.plan.values import Policy
from tests.model.kube import TICK_S

THREE_PORTS = PortRange(1, 3)
DEFAULT_POLICY = Policy()


class Setup(NamedTuple):
    """`ports`: the endpoints that may be handed out on the one EIP there is."""

    ports: PortRange = THREE_PORTS
    policy: Policy = DEFAULT_POLICY
    quarantine_s: float = TICK_S
