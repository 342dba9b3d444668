"""What the cluster's CRD can store is known before anything is written."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml

from dnatctl.kube.client import KubeClient
from dnatctl.kube.poddnats import PodDNATApi, Served
from dnatctl_sim.kube import KubeServer
from tests.support.stage import CRD as MANIFEST

CRDS = "customresourcedefinitions.apiextensions.k8s.io"
CRD: Any = yaml.safe_load(MANIFEST.read_text())


def drops_conditions(kube: KubeServer, wire: KubeClient, version: str, **status: Any) -> bool:
    """What is believed where the status of PodDNATs has this schema; the shipped one by default."""
    crd = copy.deepcopy(CRD)
    if status:
        for served in crd["spec"]["versions"]:
            served["schema"]["openAPIV3Schema"]["properties"]["status"] = status
    kube.store.create(CRDS, crd)
    api = PodDNATApi(wire, Served(wire, version))
    api.read_schema()
    return api.prunes_conditions


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
class TestSchema:
    def test_the_shipped_one_has_conditions(self, kube, wire, version):
        assert not drops_conditions(kube, wire, version)

    def test_the_older_one_has_none(self, kube, wire, version):
        entries = {"type": "array", "items": {"type": "object"}}
        status = {"type": "object", "properties": {"entries": entries}}
        assert drops_conditions(kube, wire, version, **status)

    def test_one_that_says_nothing_of_the_status_is_not_judged(self, kube, wire, version):
        open_ended = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        assert not drops_conditions(kube, wire, version, **open_ended)

    def test_without_an_answer_nothing_is_believed(self, wire, version):
        api = PodDNATApi(wire, Served(wire, version))
        api.read_schema()
        assert not api.prunes_conditions
