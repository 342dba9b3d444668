"""What a program at work can take in of a changed file."""

from __future__ import annotations

import pytest

from dnatctl.config import Config, changed, needs_restart, parse
from tests.unit.config.samples import MINIMAL

PAIR = "credential: {accessKey: LTAI-1, accessSecret: old}\n"


def config(more: str = "", *swap: str) -> Config:
    return parse(MINIMAL.replace(*swap) + more if swap else MINIMAL + more)


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ("quarantine: 5s\n", "quarantine"),
        ("namespaces: {deny: [games]}\n", "namespaces"),
        ("maxPortsPerPod: 7\n", "maxPortsPerPod"),
        ("vpcCIDRs: [10.0.0.0/8]\n", "vpcCIDRs"),
        ("fixed: {retain: 1h}\n", "fixed"),
        ("policy: upsert-only\n", "policy"),
        ("takeOver: true\n", "takeOver"),
        ("publish: {annotation: true}\n", "publish"),
        ("deniedPorts: []\n", "deniedPorts"),
        ("customStatefulWorkloadKinds: [GameServerSet]\n", "customStatefulWorkloadKinds"),
    ],
)
def test_these_are_taken_in(more: str, key: str) -> None:
    assert changed(config(), config(more)) == (key,)
    assert needs_restart(config(), config(more)) == ()


def test_so_are_pools() -> None:
    wider = config("", "1024", "2048")
    assert changed(config(), wider) == ("networkController",)
    assert needs_restart(config(), wider) == ()


@pytest.mark.parametrize(
    ("new", "key"),
    [
        (config("", "c1", "c2"), "clusterID"),
        (config("", "cn-hangzhou", "cn-shanghai"), "regionID"),
        (config("", "vpc-1", "vpc-2"), "vpcID"),
        (config("endpoints: {vpc: 'http://127.0.0.1:1'}\n"), "endpoints"),
        (config("resync: 1m\n"), "resync"),
        (config("rateLimits: {CreateForwardEntry: 5}\n"), "rateLimits"),
        (config("credential: {type: rrsa}\n"), "credential"),
        (config(PAIR), "credential"),
    ],
)
def test_these_need_a_restart(new: Config, key: str) -> None:
    assert needs_restart(config(), new) == (key,)


def test_a_pair_of_keys_may_be_exchanged_but_not_taken_away() -> None:
    old = config(PAIR)
    assert needs_restart(old, config(PAIR.replace("old", "new"))) == ()
    assert needs_restart(old, config()) == ("credential",)


def test_it_is_decided_for_every_key_there_is() -> None:
    """Who adds one says here whether a program at work follows it."""
    keys = {field.alias for field in Config.model_fields.values()}
    assert keys == {
        *("clusterID", "regionID", "vpcID", "credential", "endpoints", "resync", "rateLimits"),
        *("networkController", "namespaces", "maxPortsPerPod", "vpcCIDRs", "quarantine", "fixed"),
        *("policy", "takeOver", "publish", "customStatefulWorkloadKinds", "enableControllers"),
        "deniedPorts",
    }
