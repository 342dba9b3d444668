"""An emulated Kubernetes API server that stock kubectl and client libraries can use."""

from dnatctl.sim.kube.actors.addresses import Recycling
from dnatctl.sim.kube.actors.kubelet import Kubelet, KubeletSettings
from dnatctl.sim.kube.core.errors import ApiError
from dnatctl.sim.kube.server import KubeServer, Settings
from dnatctl.sim.kube.wire.faults import Fault, Match, Rule, Stage, Write
from dnatctl.sim.kube.wire.requestlog import Request

__all__ = [
    "ApiError",
    "Fault",
    "KubeServer",
    "Kubelet",
    "KubeletSettings",
    "Match",
    "Recycling",
    "Request",
    "Rule",
    "Settings",
    "Stage",
    "Write",
]
