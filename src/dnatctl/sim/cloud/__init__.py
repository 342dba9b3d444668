"""An emulated Alibaba Cloud (VPC and ECS, as far as DNAT needs them), strict by default.

`Cloud` is the account, `CloudServer` serves it to the vendor's SDKs over HTTP, `CloudAdmin`
drives it from another process. `python -m dnatctl.sim.cloud` runs one by itself.
"""

from dnatctl.sim.cloud.acts import Acts
from dnatctl.sim.cloud.calls import Call
from dnatctl.sim.cloud.client import AdminError, CloudAdmin
from dnatctl.sim.cloud.cloud import Cloud
from dnatctl.sim.cloud.faults import Fault
from dnatctl.sim.cloud.knobs import DOCUMENTED_POLICY, Knobs, Settle
from dnatctl.sim.cloud.scenario import Scenario
from dnatctl.sim.cloud.server import CloudServer
from dnatctl.sim.cloud.truth import rows, truth

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
