"""Annotations that were meant for dnatctl and are not where, or not what, it reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice

from dnatctl.plan.exposure import FIXED, PORTS, PROTOCOL, SWITCH

OURS = (SWITCH, PORTS, PROTOCOL, FIXED)
_CLOSE = 0.8
"""Of difflib's measure: one or two letters, another separator, another prefix before the slash."""


MOST_SUSPECTS = 16
_SIGN = "dnat"


@dataclass(frozen=True, slots=True)
class OwnerNotes:
    """An owner of a pod, next or further: what stands on itself and on its pod template."""

    kind: str
    name: str
    annotations: Mapping[str, str]
    template: Mapping[str, str] | None = None


def misses(
    annotations: Mapping[str, str], labels: Mapping[str, str], owners: Iterable[OwnerNotes]
) -> Iterator[str]:
    """A sentence for each that says what to do."""
    for key in _suspects(annotations):
        if key not in OURS and (meant := _meant(key)) and meant not in annotations:
            yield f"the pod has the annotation {key}; did you mean {meant}?"
    for key in _suspects(labels):
        if meant := _meant(key):
            yield f"the pod has {key} as a label: make it the annotation {meant}"
    for owner in owners:
        keys = [key for key in owner.annotations if key in OURS and key not in annotations]
        if keys and not any(key in (owner.template or {}) for key in keys):
            yield (
                f"{owner.kind} {owner.name} has {', '.join(keys)} on itself: put them under"
                " spec.template.metadata.annotations, so that its pods have them"
            )
    if SWITCH not in annotations and any(key in annotations for key in (PORTS, PROTOCOL, FIXED)):
        yield f'the pod says which ports, and lacks the switch: add {SWITCH}: "true"'


def _suspects(keys: Iterable[str]) -> Iterator[str]:
    """Keys worth a closer look, which takes its time: a pod may have thousands."""
    return islice((key for key in keys if _SIGN in key.lower()), MOST_SUSPECTS)


def _meant(key: str) -> str:
    """Which of ours was meant by a key, "" for none."""
    if key in OURS:
        return key
    _, _, name = key.rpartition("/")
    names = {ours.rpartition("/")[2]: ours for ours in OURS}
    found = get_close_matches(name.lower().replace("_", "-"), names, 1, _CLOSE)
    return names[found[0]] if found else ""
