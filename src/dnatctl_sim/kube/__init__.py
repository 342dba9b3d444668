"""An emulated Kubernetes API server that stock kubectl and client libraries can use."""

from dnatctl_sim.kube.actors.addresses import Recycling
from dnatctl_sim.kube.actors.kubelet import Kubelet, KubeletSettings
from dnatctl_sim.kube.core.errors import ApiError
from dnatctl_sim.kube.server import KubeServer, Settings
from dnatctl_sim.kube.wire.faults import Fault, Match, Rule, Stage, Write
from dnatctl_sim.kube.wire.requestlog import Request

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
