"""Annotations that were meant for dnatctl and are not where, or not what, it reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Final, NamedTuple

from dnatctl.plan.exposure import FIXED, PORTS, PROTOCOL, SWITCH

OURS = (SWITCH, PORTS, PROTOCOL, FIXED)
_CLOSE = 0.8
"""Of `_likeness`: one or two letters, another separator, another prefix before the slash."""

_SHORTEST, _LONGEST = 6, 36
"""Letters of a name that can be as close as that to one of ours, which have 8 to 24."""

MOST_SUSPECTS = 4
"""Keys looked at of a pod's annotations, and of its labels. It is read again with each of its
events, in the one thread that watches the pods of all."""

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
    for key in _suspects(key for key in annotations if key not in OURS):
        if (meant := _meant(key)) and meant not in annotations:
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
    return islice((key for key in keys if _SIGN in key.lower() and _fits(key)), MOST_SUSPECTS)


def _fits(key: str) -> bool:
    return _SHORTEST <= len(key) - key.rfind("/") - 1 <= _LONGEST


class _Spelling(NamedTuple):
    """One of ours; of its name: the letters, and for each the bits of where it stands."""

    ours: str
    length: int
    places: Mapping[str, int]


def _spelling(ours: str) -> _Spelling:
    name = ours.rpartition("/")[2]
    places = dict.fromkeys(name, 0)
    for place, letter in enumerate(name):
        places[letter] |= 1 << place
    return _Spelling(ours, len(name), places)


_NAMES: Final = tuple(map(_spelling, OURS))


def _meant(key: str) -> str:
    """Which of ours was meant by a key, "" for none."""
    if key in OURS:
        return key
    name = key.rpartition("/")[2].lower().replace("_", "-")
    closeness, ours = max((_likeness(name, each), each.ours) for each in _NAMES)
    return ours if closeness >= _CLOSE else ""


def _likeness(name: str, of: _Spelling) -> float:
    """The share of letters that both have in the same order: 0 to 1.

    Takes a step for each letter of the name, whatever letters it has; difflib takes many times as
    long where somebody picks them for that. A bit of `left` is cleared for each of our letters that
    is found: Hyyro, Bit-parallel LCS-length computation revisited, 2004.
    """
    whole = left = (1 << of.length) - 1
    for letter in name:
        found = left & of.places.get(letter, 0)
        left = (left + found | left - found) & whole
    return 2 * (of.length - left.bit_count()) / (of.length + len(name))
