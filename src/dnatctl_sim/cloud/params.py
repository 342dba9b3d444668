"""The parameters of an RPC call, read the way the vendor's gateway reads them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from dnatctl_sim.cloud.errors import missing, refusal

_NUMBER = re.compile(r"-?[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Params:
    """Decoded query and form parameters; an empty value counts as absent."""

    values: Mapping[str, str]

    def text(self, name: str, default: str = "") -> str:
        """The parameter, or `default` if absent."""
        return self.values.get(name) or default

    def required(self, name: str) -> str:
        """The parameter; raises ApiError MissingParameter if absent."""
        if value := self.values.get(name):
            return value
        raise missing(name)

    def flag(self, name: str) -> bool:
        """A boolean, written `true` or (as the Python SDK does) `True`; absent means False."""
        value = self.text(name, "false").lower()
        if value not in ("true", "false"):
            raise refusal("InvalidParameter", f"{name} must be true or false.")
        return value == "true"

    def number(self, name: str, default: int, *, low: int, high: int) -> int:
        """A number, brought into `low`..`high` as the documents say of page sizes."""
        text = self.text(name, str(default))
        if not _NUMBER.fullmatch(text):
            raise refusal("InvalidParameter", f"{name} must be a number.")
        return min(max(int(text), low), high)

    def listed(self, name: str, limit: int) -> list[str]:
        """The parameters `name.1`, `name.2`, ...; raises ApiError for more than `limit`."""
        found = list(self._numbered(name))
        if len(found) > limit:
            raise refusal("InvalidParameter", f"{name} takes at most {limit} values.")
        return found

    def joined(self, name: str, limit: int) -> list[str]:
        """A comma-separated list; raises ApiError for more than `limit`."""
        found = [item.strip() for item in self.text(name).split(",") if item.strip()]
        if len(found) > limit:
            raise refusal("InvalidParameter", f"{name} takes at most {limit} values.")
        return found

    def _numbered(self, name: str) -> Iterator[str]:
        prefix = f"{name}."
        keys = (key for key in self.values if key.startswith(prefix))
        for key in sorted(keys, key=lambda key: (len(key), key)):
            if value := self.values[key]:
                yield value


@dataclass(frozen=True, slots=True)
class Page:
    """A page asked for by number and size."""

    number: int
    size: int

    @classmethod
    def of(cls, params: Params, largest: int) -> Page:
        """Read PageNumber (1) and PageSize (10, at most `largest`)."""
        return cls(
            number=params.number("PageNumber", 1, low=1, high=2**31),
            size=params.number("PageSize", 10, low=1, high=largest),
        )

    @property
    def start(self) -> int:
        """Index of the first item of the page."""
        return (self.number - 1) * self.size

    def describe(self, total: int) -> dict[str, object]:
        """The fields that tell the client where it is."""
        return {"TotalCount": total, "PageNumber": self.number, "PageSize": self.size}
