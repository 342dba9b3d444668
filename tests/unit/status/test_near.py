"""Keys that are nearly ours: which are told of, and what it takes to find them."""

from __future__ import annotations

import pytest

from dnatctl.plan.exposure import FIXED, PORTS, PROTOCOL, SWITCH
from dnatctl.status.near import MOST_SUSPECTS, misses
from tests.support.steps import steps

SET = {SWITCH: ""}


def told(annotations: dict[str, str], labels: dict[str, str] | None = None) -> list[str]:
    return list(misses(annotations, labels or {}, ()))


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("k8s.aliyun.com/pod-dnat-expose-ports", PORTS),
        ("k8s.aliyun.com/pod-dnat-export-port", PORTS),
        ("k8s.aliyun.com/pod-dnat-expose_port", PORTS),
        ("aliyun.com/pod-dnat-expose-port", PORTS),
        ("pod-dnat-expose-port", PORTS),
        ("Pod-Dnat-Fixed", FIXED),
        ("k8s.aliyun.com/pod-dnat-fix", FIXED),
        ("k8s.aliyun.com/pod-dnat-exposed-protocols", PROTOCOL),
    ],
)
def test_one_or_two_letters_a_separator_or_a_prefix_make_a_key_nearly_ours(key, meant):
    assert told({**SET, key: "80"}) == [f"the pod has the annotation {key}; did you mean {meant}?"]
    assert told(SET, {key: "80"}) == [
        f"the pod has {key} as a label: make it the annotation {meant}"
    ]


@pytest.mark.parametrize(
    "key",
    [
        "k8s.aliyun.com/pod-dnat-endpoints",
        "k8s.aliyun.com/pod-dnat-ready",
        "dnatctl/protocols",
        "dnat",
        "example.com/dnat-rules",
        "x" * 40 + "dnat",
    ],
)
def test_other_keys_are_not(key):
    assert told({**SET, key: ""}, {key: ""}) == []


def test_our_own_annotations_take_nobodys_place():
    ours = dict.fromkeys((SWITCH, PORTS, PROTOCOL), "")
    assert len(told({**ours, "pod-dnat-fixd": ""})) == 1


LETTERS = "pod--expose-protocol"


def turned(by: int) -> str:
    """A name that has the letters of one of ours in another order, and the sign of ours."""
    return f"{LETTERS[by:]}dnat{LETTERS[:by]}".strip("-")


def test_no_key_takes_longer_than_others_of_its_length():
    turns = dict.fromkeys((f"a/{turned(n)}" for n in range(5, 16)), "")
    plain = dict.fromkeys((f"a/{'z' * 16}dnat{n:04}" for n in range(11)), "")
    assert steps(lambda: told({**SET, **turns}, turns)) <= 1.2 * steps(
        lambda: told({**SET, **plain}, plain)
    )


def test_so_many_are_looked_at_and_no_more():
    few, many = (
        dict.fromkeys((f"a/{turned(9)}{n:04}" for n in range(count)), "")
        for count in (MOST_SUSPECTS, 500)
    )
    assert steps(lambda: told({**SET, **many})) <= 1.2 * steps(lambda: told({**SET, **few}))
