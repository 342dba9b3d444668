"""Label selectors, and the namespaces that they let in."""

from __future__ import annotations

import pytest

from dnatctl.config.selector import LabelSelector
from dnatctl.config.tenants import Namespaces


@pytest.mark.parametrize(
    ("text", "selected", "others"),
    [
        ("dnat=allowed", [{"dnat": "allowed"}], [{}, {"dnat": "no"}, {"dnat": ""}]),
        ("dnat == allowed", [{"dnat": "allowed", "a": "b"}], [{}]),
        ("dnat=", [{"dnat": ""}], [{}, {"dnat": "x"}]),
        ("dnat!=no", [{}, {"dnat": "yes"}], [{"dnat": "no"}]),
        ("dnat", [{"dnat": ""}, {"dnat": "x"}], [{}]),
        ("!internal", [{}, {"dnat": "x"}], [{"internal": ""}]),
        ("! internal", [{}], [{"internal": ""}]),
        ("team in (games, ads)", [{"team": "ads"}], [{}, {"team": "hr"}]),
        ("team notin (hr)", [{}, {"team": "ads"}], [{"team": "hr"}]),
        ("x.io/team in (a,b),!off", [{"x.io/team": "a"}], [{"x.io/team": "a", "off": "1"}, {}]),
        (" a=b , c ", [{"a": "b", "c": ""}], [{"a": "b"}, {"c": ""}]),
    ],
)
def test_what_it_selects(
    text: str, selected: list[dict[str, str]], others: list[dict[str, str]]
) -> None:
    selector = LabelSelector.parse(text)
    assert all(map(selector.selects, selected))
    assert not any(map(selector.selects, others))


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", ",", "a,", "a=b=c", "a in b", "a in (b", "a in ()c", "-a", "a=-", "a = b c"),
        *("a~b", "a/b/c", "a in (b,,-)", 7, None, ["a"], {"matchLabels": {"a": "b"}}),
    ],
)
def test_what_is_none(text: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the configuration says what is allowed
        LabelSelector.parse(text)


ALLOWED = {"dnat": "allowed"}


@pytest.mark.parametrize(
    ("settings", "namespace", "labels", "denial"),
    [
        ({}, "games", {}, ""),
        ({"selector": "dnat=allowed"}, "games", ALLOWED, ""),
        ({"selector": "dnat=allowed"}, "games", {}, "namespaces.selector is dnat=allowed"),
        (
            {"selector": "dnat=allowed"},
            "games",
            None,
            "namespaces.selector is dnat=allowed, and its labels are not known",
        ),
        ({"selector": "dnat=allowed", "allow": ["games"]}, "games", {}, ""),
        ({"selector": "dnat=allowed", "allow": ["games"]}, "shop", ALLOWED, ""),
        (
            {"selector": "dnat=allowed", "allow": ["games"]},
            "shop",
            {},
            "namespaces.allow has only games and namespaces.selector is dnat=allowed",
        ),
        (
            {"selector": "dnat=allowed", "deny": ["shop"]},
            "shop",
            ALLOWED,
            "namespaces.deny has shop",
        ),
    ],
)
def test_who_may(
    settings: dict[str, object], namespace: str, labels: dict[str, str] | None, denial: str
) -> None:
    assert Namespaces.model_validate(settings).denial(namespace, labels) == denial


def test_namespaces_are_listed_where_all_of_them_are_named() -> None:
    for settings, listed in (
        ({}, ()),
        ({"allow": ["games", "shop"]}, ("games", "shop")),
        ({"allow": ["games-*", "shop"]}, ()),
        ({"allow": ["games"], "selector": "a"}, ()),
    ):
        assert Namespaces.model_validate(settings).listed() == listed


def test_labels_are_asked_for_only_where_they_decide() -> None:
    both = Namespaces.model_validate({"selector": "a", "allow": ["games"], "deny": ["bad-*"]})
    assert both.needs_labels("shop")
    assert not both.needs_labels("games")
    assert not both.needs_labels("bad-1")
    assert not Namespaces.model_validate({"allow": ["games"]}).needs_labels("shop")
