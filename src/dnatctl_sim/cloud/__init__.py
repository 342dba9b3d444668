"""An emulated Alibaba Cloud (VPC and ECS, as far as DNAT needs them), strict by default.

`Cloud` is the account, `CloudServer` serves it to the vendor's SDKs over HTTP, `CloudAdmin`
drives it from another process. `python -m dnatctl_sim.cloud` runs one by itself.
"""

from dnatctl_sim.cloud.calls import Call
from dnatctl_sim.cloud.client import AdminError, CloudAdmin
from dnatctl_sim.cloud.cloud import Cloud
from dnatctl_sim.cloud.faults import Fault
from dnatctl_sim.cloud.knobs import DOCUMENTED_POLICY, Knobs, Settle
from dnatctl_sim.cloud.outsiders import Acts
from dnatctl_sim.cloud.scenario import Scenario
from dnatctl_sim.cloud.server import CloudServer
from dnatctl_sim.cloud.truth import rows, truth

__all__ = [
    "DOCUMENTED_POLICY",
    "Acts",
    "AdminError",
    "Call",
    "Cloud",
    "CloudAdmin",
    "CloudServer",
    "Fault",
    "Knobs",
    "Scenario",
    "Settle",
    "rows",
    "truth",
]
