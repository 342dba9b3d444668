"""The settings of namespaces: which may expose pods, and how much."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Annotated

from pydantic import BeforeValidator, Field

from dnatctl.config.section import Section
from dnatctl.config.types import (
    Allowed,
    Count,
    Duration,
    NamespaceOrRest,
    NamespacePattern,
    Selector,
)

EVERY_NAMESPACE = "*"
"""The key of `namespaces.quota` for namespaces that it does not name."""

NAMESPACES = Allowed("a list of namespaces; * stands for any characters, as in games-*")


class Namespaces(Section):
    """Which namespaces may expose pods, and how much."""

    allow: Annotated[tuple[NamespacePattern, ...], NAMESPACES] = ()
    """Namespaces whose pods may be exposed. Empty: all, unless there is a `selector`."""

    selector: Selector | None = None
    """Labels of namespaces whose pods may be exposed, besides those that `allow` names, such as
    `dnat=allowed` or `team in (games, ads),!internal`. A label that changes counts at once. dnatctl
    needs leave to list and watch namespaces (the component namespace-selector; the chart gives it).
    Absent: labels mean nothing."""

    deny: Annotated[tuple[NamespacePattern, ...], NAMESPACES] = ()
    """Namespaces whose pods are refused, even if allowed above. What pods of a refused namespace
    have is released after `grace`."""

    grace: Duration = 300.0
    """How long pods of a namespace that may expose none (any more) keep what they have, from when
    a leader first finds it so."""

    quota: Annotated[
        dict[NamespaceOrRest, Count],
        BeforeValidator(lambda value: {EVERY_NAMESPACE: value} if type(value) is int else value),
        Allowed("a whole number for every namespace, or a mapping of namespace to number"),
    ] = Field(default_factory=dict)
    """Most endpoints that one namespace may have at a time, one for each exposed port: kept ones of
    fixed pods and those that rest after use (see `quarantine`) included, so leave room for both. A
    number for every namespace, or `{games: 50, "*": 5}`, where `*` is every other one and no `*`
    means no limit. What is exposed already stays when the number is lowered."""

    def denial(self, namespace: str, labels: Mapping[str, str] | None = None) -> str:
        """The rule by which pods of that namespace may not be exposed; empty if they may.

        `labels`: those of the namespace, None if they are not known.
        """
        for pattern in self.deny:
            if fnmatchcase(namespace, pattern):
                return f"namespaces.deny has {pattern}"
        if not (self.allow or self.selector) or self._is_named(namespace):
            return ""
        if self.selector and labels is not None and self.selector.selects(labels):
            return ""
        unknown = ", and its labels are not known" if labels is None else ""
        rules = [f"namespaces.allow has only {', '.join(self.allow)}"] if self.allow else []
        rules += [f"namespaces.selector is {self.selector}{unknown}"] if self.selector else []
        return " and ".join(rules)

    def needs_labels(self, namespace: str) -> bool:
        """Whether it depends on the labels of the namespace whether its pods may be exposed."""
        if self.selector is None or self._is_named(namespace):
            return False
        return not any(fnmatchcase(namespace, pattern) for pattern in self.deny)

    def _is_named(self, namespace: str) -> bool:
        return any(fnmatchcase(namespace, pattern) for pattern in self.allow)

    def listed(self) -> tuple[str, ...]:
        """The only namespaces whose pods may be exposed, by name; none if not all are named."""
        by_name = self.selector is None and not any("*" in name for name in self.allow)
        return self.allow if by_name else ()

    def limit(self, namespace: str) -> int | None:
        """Most endpoints that namespace may have; None: as many as it likes."""
        return self.quota.get(namespace, self.quota.get(EVERY_NAMESPACE))

    def with_own_quota(self) -> frozenset[str]:
        """Namespaces that are given a quota by name."""
        return frozenset(self.quota) - {EVERY_NAMESPACE}
