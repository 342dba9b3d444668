"""What is around the controller, emulated: a cluster, a cloud, and the files to reach them."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Self

import yaml

from dnatctl_sim.cloud import Acts, Cloud, CloudServer, Scenario
from dnatctl_sim.cloud.spec import VSwitchSpec
from dnatctl_sim.configuration import configuration
from dnatctl_sim.kube import KubeletSettings, KubeServer, Settings

CRDS = "customresourcedefinitions.apiextensions.k8s.io"
NAMESPACE = "dnatctl-system"
"""Where the controller keeps its Lease and its ledger."""


def data(name: str) -> str:
    """A file that comes with the package: `poddnats.yaml` (the CRD) or `example.yaml`."""
    return resources.files("dnatctl_sim").joinpath("data", name).read_text("utf-8")


@dataclass(kw_only=True)
class StageSettings:
    """What a stage is to be like.

    `folder`: where its files go; it must be there. A port of 0 takes a free one. `kubelet`: times
    of pods; their addresses are those of a vSwitch of the scenario, whatever it says. `resync`: as
    in the configuration file; short, so that repairs do not keep people waiting.
    """

    folder: Path
    scenario: Scenario = field(default_factory=Scenario)
    kube_port: int = 0
    cloud_port: int = 0
    kubelet: KubeletSettings = field(default_factory=KubeletSettings)
    resync: str = "5s"


class Stage:
    """An emulated cluster that has the PodDNAT CRD, and an emulated cloud; a context manager.

    Raises what `Scenario.build` does when it is made, OSError where a port or the folder cannot
    be had when it is started.
    """

    def __init__(self, settings: StageSettings) -> None:
        vswitch = _pod_vswitch(settings.scenario)
        settings.kubelet.pod_cidr = vswitch.cidr
        self.settings = settings
        self.cloud = Cloud(settings.scenario)
        self.acts = Acts(self.cloud)
        self.cloud_server = CloudServer(self.cloud, port=settings.cloud_port)
        self.kube = KubeServer(
            port=settings.kube_port,
            settings=Settings(zones=(vswitch.zone,), kubelet=settings.kubelet),
        )
        self._running = ExitStack()
        self._running.callback(self.kube.stop)

    @property
    def kubeconfig(self) -> Path:
        """The file for kubectl and the controller."""
        return self.settings.folder / "kubeconfig"

    @property
    def config(self) -> Path:
        """The controller's configuration file."""
        return self.settings.folder / "config.yaml"

    @property
    def example(self) -> Path:
        """The Deployment of the vendor's page on DNAT for pods, unchanged."""
        return self.settings.folder / "example.yaml"

    def run_command(self) -> list[str]:
        """The controller's command line, without the program's name."""
        return ["run", "--config", str(self.config), "--kubeconfig", str(self.kubeconfig)]

    def start(self) -> Self:
        """Serve both, install the CRD and write the files."""
        try:
            self._running.enter_context(self.cloud_server)
            self.kube.start()
            self._furnish()
            self._write_files()
        except Exception:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End both servers; the files stay. Does nothing the second time."""
        self._running.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _furnish(self) -> None:
        crd: dict[str, Any] = yaml.safe_load(data("poddnats.yaml"))
        self.kube.store.create(CRDS, crd)
        self.kube.store.create("namespaces", {"metadata": {"name": NAMESPACE}})

    def _write_files(self) -> None:
        settings = self.settings
        self.kube.write_kubeconfig(str(self.kubeconfig))
        self.config.touch(mode=0o600)
        self.config.write_text(
            configuration(settings.scenario, self.cloud_server.endpoint, resync=settings.resync),
            "utf-8",
        )
        self.example.write_text(data("example.yaml"), "utf-8")


def _pod_vswitch(scenario: Scenario) -> VSwitchSpec:
    """The vSwitch that pods get addresses of; raises ValueError where there is none."""
    vpc_id = scenario.gateways[0].vpc
    for vpc in scenario.vpcs:
        for vswitch in vpc.vswitches:
            if vpc.id == vpc_id and vswitch.pods:
                return vswitch
    raise ValueError(f"{vpc_id}, where the first gateway is, has no vSwitch for pods")
