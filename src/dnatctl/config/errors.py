"""What is wrong with a configuration, said so that it can be put right without the manual."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake. `key` is empty where the text is no YAML. Never holds a credential's value."""

    where: str
    """`FILE:LINE:COLUMN`, or the environment variable or flag that the value came from."""
    key: str
    found: str
    allowed: str

    def __str__(self) -> str:
        key = f"{self.key}: " if self.key else ""
        return f"{self.where}: {key}found {self.found}; allowed: {self.allowed}"


class ConfigErrors(Exception):  # noqa: N818 - it holds all of them
    """The configuration cannot be used. Its text has a line for each problem, in file order."""

    def __init__(self, problems: tuple[Mistake, ...]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems
