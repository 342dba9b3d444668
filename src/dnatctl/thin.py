"""Of other people's packages only what is used is loaded, whoever imports them, and however.

| package | its import takes | for | of which is used |
|---|---|---|---|
| that of an API of the cloud | 20 MB | a class for each message: 1,700 for vpc | thirty |
| aiohttp | 9 MB | calls that are awaited | nothing |
| cryptography | 6 MB | signatures with a key pair | one kind of credentials |
| charset_normalizer, chardet | 5 MB | texts of an unknown encoding | nothing |

Here the names are all there, and what they stand for is loaded when it is asked for: one class, or
the package as it is.
"""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.metadata import version
from types import ModuleType
from typing import Any, Final

_HOMES: Final = re.compile(r"^from (\.\w+) import (\w+)$", re.MULTILINE)
"""How the package of an API names its classes, each with the module that it is in."""

_PROBED: Final = frozenset({"__wrapped__", "__warningregistry__", "__path__", "__file__"})
"""What tools ask of any module that is loaded: that is no wish to have it."""


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
    """Holds back some names as well, which others import: in their place stands what loads the
    package when it is called."""

    def __init__(self, names: Sequence[str], whole: SourceFileLoader) -> None:
        super().__init__(whole)
        self._names = names

    def exec_module(self, module: ModuleType) -> None:
        """See Loader."""
        super().exec_module(module)
        load = module.__dict__["__getattr__"]

        def stand_in(name: str, *args: Any, **kwargs: Any) -> Any:
            return load(name)(*args, **kwargs)

        module.__dict__.update({name: partial(stand_in, name) for name in self._names})


class _Versioned(_WhenAsked):
    """Tells the version of a package without loading it."""

    def exec_module(self, module: ModuleType) -> None:
        """See Loader."""
        super().exec_module(module)
        module.__dict__.update(__version__=version(module.__name__))


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
    # darabonba-core names these in annotations, which Python looks up.
    "aiohttp": partial(_Later, ("ClientResponse", "ClientSession")),
    "alibabacloud_ecs20140526.models": _OneByOne,
    "alibabacloud_vpc20160428.models": _OneByOne,
    # requests looks which of these are there, and how old.
    "chardet": _Versioned,
    "charset_normalizer": _Versioned,
    # alibabacloud-tea-openapi can sign in a way that is not asked of it.
    "cryptography.hazmat.primitives.asymmetric.padding": _WhenAsked,
    "cryptography.hazmat.primitives.hashes": _WhenAsked,
    "cryptography.hazmat.primitives.serialization": partial(_Later, ("load_pem_private_key",)),
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
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


@contextmanager
def without(name: str) -> Iterator[None]:
    """Imports in here find no such module, unless it is loaded already.

    For what a package takes along wherever it is installed, as in every checkout.
    """
    if name in sys.modules:
        yield
        return
    # None is what the import system takes for absent.
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]
