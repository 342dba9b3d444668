"""What an API server does, as data: requests, and what matters of the answers.

The data is in `cases/*.yaml`, and says what kube-apiserver 1.20.2 answers; `differences.yaml` says
where the emulated one answers otherwise, and why that may stay. Texts for people are not compared.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml

_FOLDER = Path(__file__).parent
T = TypeVar("T")


class Step(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """One request and its answer.

    `send` is `METHOD path?query`, where a path without a leading slash is in the case's namespace
    (`configmaps/a`). WATCH reads events until one tells of an object named `end`, or the server
    ends it; COMPACT makes the server forget history. `body` is JSON, `raw` any text; `patch` the
    format of a PATCH. `{name}` stands for what an earlier step has kept under that name, `{ns}` for
    the namespace, `{x*9}` for nine times x.

    `answers` is the code and, of an error, the reason and the fields named in causes. `shows` are
    values in the answer's body by path (`items.*.metadata.name`); `<absent>`, `<present>` and
    `<not VALUE>` stand for such. `events` are those of a WATCH. `sorted`: lists of names and events
    have no order. `until`: ask again until it is so. `or_later`: what servers since 1.20 may answer
    instead; tried with 1.36.2. `form`: the kind, of meta.k8s.io/v1, that the answer is wanted as.
    """

    send: str
    body: Any = None
    raw: str | None = None
    patch: str = "merge"
    form: str = ""
    answers: int | str = 200
    or_later: int | str | None = None
    shows: dict[str, Any] = {}
    events: list[str] | None = None
    sorted: bool = False
    keep: dict[str, str] = {}
    until: bool = False


class Case(msgspec.Struct, forbid_unknown_fields=True):
    """Steps in a namespace of their own. `collected`: it needs the garbage collector."""

    case: str
    steps: list[Step]
    collected: bool = False


class Difference(msgspec.Struct, forbid_unknown_fields=True):
    """What the emulated server answers instead in one step (the first is 1), and why it may."""

    case: str
    step: int
    because: str
    answers: int | str | None = None
    shows: dict[str, Any] | None = None
    events: list[str] | None = None


def load_cases() -> list[Case]:
    """All cases, by file."""
    files = sorted((_FOLDER / "cases").glob("*.yaml"))
    return [case for path in files for case in _load(path, list[Case])]


def load_differences() -> list[Difference]:
    """All differences."""
    return _load(_FOLDER / "differences.yaml", list[Difference])


def emulated(case: Case, differences: list[Difference]) -> Case:
    """The case as the emulated server answers it.

    Raises ValueError for a difference that is none: of a step that is not there, or without effect.
    """
    steps = list(case.steps)
    for difference in differences:
        if difference.case != case.case:
            continue
        if not 1 <= difference.step <= len(steps):
            raise ValueError(f"{case.case}: there is no step {difference.step}")
        step = steps[difference.step - 1]
        changes = {
            name: value
            for name in ("answers", "shows", "events")
            if (value := getattr(difference, name)) is not None
        }
        steps[difference.step - 1] = msgspec.structs.replace(step, **changes)
        if steps[difference.step - 1] == step:
            raise ValueError(f"{case.case}: step {difference.step} is the same on both servers")
    return msgspec.structs.replace(case, steps=steps)


def _load(path: Path, type_: type[T]) -> T:
    return msgspec.convert(yaml.safe_load(path.read_text("utf-8")), type_)
