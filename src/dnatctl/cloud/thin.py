"""Of the vendor's packages only what is used is loaded, whoever imports them, and however.

The package of an API loads a class for each message of each of its operations, 1,700 for vpc: 20 MB
and a quarter of a second, for the thirty that are used here. And what the packages are built on
imports aiohttp, 9 MB, for calls that are awaited, of which none is made here.

Here the names are all there, and what they stand for is loaded when it is asked for: one class, or
aiohttp as it is.
"""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType
from typing import Any, Final

_HOMES: Final = re.compile(r"^from (\.\w+) import (\w+)$", re.MULTILINE)
"""How the package of an API names its classes, each with the module that it is in."""

_PROBED: Final = frozenset({"__wrapped__", "__warningregistry__", "__path__", "__file__"})
"""What tools ask of any module that is loaded: that is no wish to have it."""

_ANNOTATED: Final = ("ClientResponse", "ClientSession")
"""Classes of aiohttp that darabonba-core names in annotations, which Python looks up."""


class _WhenAsked(Loader):
    """Loads a package as it is, but only when something of it is asked for."""

    def __init__(self, whole: SourceFileLoader) -> None:
        self._whole = whole
        self._lock = threading.RLock()
        self._pending = True

    def exec_module(self, module: ModuleType) -> None:
        """See Loader."""

        def load(name: str) -> Any:
            with self._lock:
                if self._pending and name not in _PROBED:
                    self._pending = False
                    self._whole.exec_module(module)
            try:
                return module.__dict__[name]
            except KeyError:
                text = f"module {module.__name__!r} has no attribute {name!r}"
                raise AttributeError(text) from None

        module.__dict__.update(__getattr__=load)


class _Later(_WhenAsked):
    """Loads aiohttp when anything of it is asked for but what annotations name."""

    def exec_module(self, module: ModuleType) -> None:
        """See Loader."""
        super().exec_module(module)
        module.__dict__.update({name: type(name, (), {}) for name in _ANNOTATED})


class _OneByOne(_WhenAsked):
    """Loads a package of classes, each when it is asked for."""

    def exec_module(self, module: ModuleType) -> None:
        """See Loader."""
        super().exec_module(module)
        whole = module.__dict__["__getattr__"]
        source = self._whole.get_source(module.__name__) or ""
        homes = {name: home for home, name in _HOMES.findall(source)}

        def load(name: str) -> Any:
            if name not in homes:
                return whole(name)
            value = getattr(import_module(homes[name], module.__name__), name)
            setattr(module, name, value)
            return value

        module.__dict__.update(__getattr__=load)
        if homes:
            module.__dict__.update(__all__=list(homes), __dir__=lambda: list(homes))


_LOADERS: Final[dict[str, Callable[[SourceFileLoader], Loader]]] = {
    "aiohttp": _Later,
    "alibabacloud_ecs20140526.models": _OneByOne,
    "alibabacloud_vpc20160428.models": _OneByOne,
}


class _Finder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """See MetaPathFinder: the package where it is, with another loader."""
        made = _LOADERS.get(fullname)
        spec = PathFinder.find_spec(fullname, path, target) if made else None
        if made is None or spec is None or not isinstance(spec.loader, SourceFileLoader):
            return None
        spec.loader = made(spec.loader)
        return spec


def install() -> None:
    """Have them loaded so from now on; what is loaded already stays as it is."""
    sys.meta_path.insert(0, _Finder())
