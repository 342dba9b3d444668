"""What is said of annotations and PodDNATs when they are written, in the API server's language."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dnatctl.model import MOST_PORTS
from dnatctl.objects import Key, Pod
from dnatctl.plan.exposure import FIXED, MAX_TEXT, PORTS, PROTOCOL, SWITCH, Rules, read_exposure
from tests.unit.manifests.built import Object, with_component
from tests.unit.manifests.policies import complaints, part

DNATCTL = "system:serviceaccount:dnatctl-system:dnatctl"
GARBAGE_COLLECTOR = "system:serviceaccount:kube-system:generic-garbage-collector"
TENANT = "tenant"
ON = {SWITCH: "", PORTS: "80"}
WIDEST = Rules(max_ports=MOST_PORTS)
"""What the configuration forbids besides is not for the policy to know."""


def pod(annotations: dict[str, str] | None, **more: Any) -> Object:
    metadata = {"name": "web"} | ({} if annotations is None else {"annotations": annotations})
    return {"metadata": metadata | more, "spec": {"containers": []}}


def workload(annotations: dict[str, str] | None) -> Object:
    template = {} if annotations is None else {"metadata": {"annotations": annotations}}
    return {"metadata": {"name": "web"}, "spec": {"template": template | {"spec": {}}}}


def said(new: Object, old: Object | None = None) -> list[str]:
    return complaints("admission", "dnatctl-annotations", new, old, {})


def is_refused(annotations: dict[str, str]) -> bool:
    """Whether dnatctl finds the annotations wrong, whatever its configuration."""
    exposure = read_exposure(Pod(Key("games", "web"), "u", "1", annotations, ips=()), WIDEST)
    return exposure.problem is not None and exposure.problem.reason == "InvalidAnnotation"


TEXTS = st.one_of(
    st.text(max_size=12),
    st.text("0123456789-,/ tcpudTP", max_size=16),
    st.lists(
        st.builds(
            "{}{}{}{}".format,
            st.sampled_from(["", " ", "\n", "\u00a0", "\u2003"]),
            st.sampled_from(["80", "080", "0", "65535", "65536", "7-9", "9-7", "8-8", "1-100"]),
            st.sampled_from(["", "/tcp", "/udp", "/ UDP", "/sctp", "/", "/tcp\t"]),
            st.sampled_from(["", " ", "\x1f", "\x85"]),
        ),
        max_size=3,
    ).map(",".join),
)
PROTOCOLS = st.sampled_from(["", "tcp", "UDP", " udp\u2003"]) | TEXTS
SWITCHES = st.sampled_from(["", "true", "", "true", "false", "yes"])


@given(SWITCHES, TEXTS, PROTOCOLS, SWITCHES)
@example("", "80", "tcp", "")
@example("", "80", " \u3000UDP ", "true")
@example("true", "1-100", "", "false")
@example("true", "1-100,101", "", "false")
@example("", "7000-7003,7003/udp", "tcp", "")
@example("", "7000-7003,7003/tcp", "tcp", "")
@example("", "80", "x" * (MAX_TEXT + 1), "")
@example("", "," * (MAX_TEXT + 1), "", "")
@example("", ",".join("8" for _ in range(400)), "", "")
@example("false", "nonsense", "nonsense", "nonsense")
def test_it_finds_wrong_what_dnatctl_finds_wrong(
    switch: str, ports: str, protocol: str, fixed: str
) -> None:
    annotations = {SWITCH: switch, PORTS: ports, PROTOCOL: protocol, FIXED: fixed}
    assert bool(said(pod(annotations))) == is_refused(annotations)


@pytest.mark.parametrize("name", [SWITCH, PORTS, PROTOCOL, FIXED])
def test_so_it_does_where_one_is_missing(name: str) -> None:
    annotations = ON | {PROTOCOL: "udp", FIXED: "true"}
    del annotations[name]
    assert bool(said(pod(annotations))) == is_refused(annotations)


@pytest.mark.parametrize(
    ("annotations", "told"),
    [
        ({SWITCH: "yes"}, f'{SWITCH} is neither "", "true" nor "false"'),
        ({SWITCH: ""}, f"{PORTS} is missing: name the ports to expose, such as 80,443"),
        (ON | {PROTOCOL: "sctp"}, f"{PROTOCOL} is neither tcp nor udp"),
        (ON | {PORTS: "80,80"}, f"{PORTS} names a port twice"),
    ],
)
def test_one_mistake_is_told_once(annotations: dict[str, str], told: str) -> None:
    assert said(pod(annotations)) == [told]


def test_it_is_told_which_value_is_no_port() -> None:
    (told,) = said(pod(ON | {PORTS: "http"}))
    assert told.endswith("; found http")
    (told,) = said(pod(ON | {PORTS: "http" * 50}))
    assert len(told) < 250


def test_a_workload_is_told_what_its_pods_would_be() -> None:
    assert said(workload(ON)) == said(workload(None)) == []
    assert said(workload(ON | {PORTS: "http"})) == said(pod(ON | {PORTS: "http"}))


@pytest.mark.parametrize("made", [pod, workload])
def test_what_was_let_in_before_stays(made: Any) -> None:
    wrong = ON | {PORTS: "http"}
    assert not said(made(wrong | {"other": "1"}), made(wrong))
    assert not said(made({SWITCH: "false"}), made(wrong))
    assert not said(made(None), made(wrong))
    assert said(made(wrong), made(None))
    assert said(made(wrong | {FIXED: ""}), made(wrong))


def test_a_pod_without_annotations_is_none_of_its_business() -> None:
    assert (
        said(pod(None)) == said(pod({"other": "yes"})) == said({"metadata": {}, "spec": {}}) == []
    )


def writes(who: str, may: bool = False) -> bool:
    """Whether that account may write a PodDNAT; `may`: it has the verb for it."""

    def leave(check: Object) -> bool:
        assert check == {"group": "alibabacloud.com", "resource": "poddnats", "verb": "override"}
        return may

    request = {"userInfo": {"username": who}}
    return not complaints("admission", "dnatctl-poddnats", {}, {}, request, leave)


def test_poddnats_are_written_by_dnatctl_alone() -> None:
    assert writes(DNATCTL)
    assert writes(GARBAGE_COLLECTOR)
    assert not writes(TENANT)
    assert not writes("system:serviceaccount:games:dnatctl")


def test_the_verb_override_lets_others_do_so() -> None:
    assert writes(TENANT, may=True)


def actions(component: str) -> dict[str, Any]:
    return {
        item["metadata"]["name"]: item["spec"]["validationActions"]
        for item in with_component(component)
        if item["kind"] == "ValidatingAdmissionPolicyBinding"
    }


def test_it_warns_and_by_choice_refuses() -> None:
    assert actions("admission") == {
        "dnatctl-annotations": ["Warn"],
        "dnatctl-poddnats": ["Warn"],
    }
    assert actions("admission-deny") == {
        "dnatctl-annotations": ["Deny"],
        "dnatctl-poddnats": ["Deny"],
    }


def test_what_cannot_be_judged_keeps_no_pod_from_running() -> None:
    policy = part("admission", "ValidatingAdmissionPolicy", "dnatctl-annotations")
    assert policy["spec"]["failurePolicy"] == "Ignore"
