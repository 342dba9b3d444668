"""How a resource is read: pages of a list and lines of a watch, decoded into values.

Objects are decoded into structs that name only the fields in use (a third of the CPU of parsing
everything), each by itself. One that cannot be understood costs only itself, and it is told apart
from one that is not there, since the latter means that it was deleted. And whoever writes objects
cannot fill our memory with a page of them: decoded, one of nothing but tiny annotations takes eight
times its JSON. All at once would save 3 to 8 % of the CPU.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Final, Generic, Protocol, TypeVar

import msgspec
from msgspec import Raw, Struct

from dnatctl.compact import shared
from dnatctl.decoding import decode
from dnatctl.kube.cache import Stored
from dnatctl.kube.errors import Failure, KubeError
from dnatctl.objects import Key, Owner

T = TypeVar("T", bound=Stored)
M = TypeVar("M", bound="Model")

Known = Callable[[Key, str], bool]
"""Whether an object of that name and UID is held already: it is kept whatever it looks like now."""


_USUAL_PAGE = 8 << 20
"""Bytes that a page of a list is to have at most, as far as the one before it tells."""
_GROW = 2
"""By how much a page may have more objects than the one before: after small ones there may be big
ones again."""


class Page(Struct, Generic[T]):
    """One page of a list: the wanted items, and the names of those that were not understood."""

    items: list[T]
    version: str
    next: str = ""
    """The continue token; "" on the last page."""
    unreadable: tuple[Key, ...] = ()


def next_page(
    query: Mapping[str, str | int], size: int, most: int, token: str
) -> dict[str, str | int]:
    """The query for the page after one that had `size` bytes: `most` objects, or fewer big ones.

    Big objects must not cost a page full of them in memory.
    """
    before = int(query.get("limit", most))
    limit = min(before * _USUAL_PAGE // max(size, 1), before * _GROW, most)
    return {"limit": max(1, limit), "continue": token}


class Event(Struct, Generic[T]):
    """One line of a watch.

    `object` is None where it is not wanted, or not understood (`unreadable`).
    """

    type: str
    version: str
    key: Key
    uid: str
    object: T | None = None
    unreadable: bool = False


CHANGES: Final = frozenset({"ADDED", "MODIFIED"})
"""The types of events whose object is there."""


class Source(Protocol[T]):
    """How one resource is asked for and read."""

    @property
    def resource(self) -> str:
        """Its plural name, for logs and metrics."""
        ...

    @property
    def path(self) -> str:
        """Of the collection."""
        ...

    @property
    def accept(self) -> tuple[str, str]:
        """The Accept headers of list and of watch."""
        ...

    def page(self, body: bytes, known: Known) -> Page[T]:
        """Read a page of a list. Raises msgspec.DecodeError if it is no list at all."""
        ...

    def event(self, line: bytes, known: Known) -> Event[T]:
        """Read a line of a watch. Raises msgspec.DecodeError if it is no event at all."""
        ...


_LONGEST_NAME = 318
"""Of what an owner is called: 253 characters of a name, or a group, and 63 of a version. What
is longer names nothing there could be; the API server takes words of any length."""


class OwnerReference(Struct, rename="camel"):
    """An entry of metadata.ownerReferences."""

    api_version: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool | None = None

    @property
    def plausible(self) -> bool:
        """Whether there could be such an owner."""
        words = (self.api_version, self.kind, self.name, self.uid)
        return all(len(word) <= _LONGEST_NAME for word in words)


METADATA_ONLY: Final = (
    "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
)
"""Accept header for an object of which only the metadata is used; a list of such is refused.
https://kubernetes.io/docs/reference/using-api/api-concepts/#metadata-only-fetches"""

METADATA_LIST: Final = METADATA_ONLY.replace("Metadata;", "MetadataList;")
"""Accept header for a list of which only the metadata of its items is used."""


class Metadata(Struct, rename="camel"):
    """The fields in use of any object's metadata."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    finalizers: list[str] | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    owner_references: list[OwnerReference] | None = None

    @property
    def key(self) -> Key:
        """Namespace and name."""
        return Key(shared(self.namespace), self.name)

    @property
    def controller(self) -> Owner | None:
        """The owner that manages the object, if one does."""
        for ref in self.owner_references or ():
            if ref.controller and ref.plausible:
                words = (ref.api_version, ref.kind, ref.name, ref.uid)
                version, kind, name, uid = map(shared, words)
                return Owner(version, kind, name, uid, controller=True)
        return None


class Model(Struct):
    """What every object has; to be extended by the parts in use of one kind."""

    metadata: Metadata


class ListMetadata(Struct, rename="camel"):
    """Of a page of a list. Each says as of when it is; what does not is no list, but the word of a
    proxy, say: believed, an empty one would end all claims."""

    resource_version: Annotated[str, msgspec.Meta(min_length=1)]
    continue_: str = msgspec.field(name="continue", default="")


class _List(Struct):
    metadata: ListMetadata
    items: list[Raw] | None = None


class _Envelope(Struct):
    type: str
    object: Raw


class _WatchLine(Struct, Generic[M]):
    type: str
    object: M


class _NamedMetadata(Struct, rename="camel"):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""


class _Named(Struct):
    metadata: _NamedMetadata


_LIST = msgspec.json.Decoder(_List)
_ENVELOPE = msgspec.json.Decoder(_Envelope)
_NAMED = msgspec.json.Decoder(_Named)


class Reader(Generic[M, T]):
    """Reads a resource whose objects look like `model`.

    `convert` makes the value of what was read, or None if it is not wanted; it raises ValueError
    where the object makes no sense. `deleted` is told of each object that is gone, wanted or not.
    """

    def __init__(
        self,
        model: type[M],
        convert: Callable[[M, Known], T | None],
        deleted: Callable[[M], None] = lambda _: None,
    ) -> None:
        self._event: msgspec.json.Decoder[_WatchLine[M]] = msgspec.json.Decoder(
            _WatchLine[model]  # type: ignore[valid-type]
        )
        self._item = msgspec.json.Decoder(model)
        self._convert = convert
        self._deleted = deleted

    def page(self, body: bytes, known: Known) -> Page[T]:
        """See `Source.page`."""
        page = decode(_LIST, body)
        return self._made(page.metadata, map(self._apart, page.items or ()), known)

    def _apart(self, raw: Raw) -> M | Key:
        """The object, or the name of one that is not understood."""
        try:
            return decode(self._item, raw)
        except msgspec.DecodeError:
            return _identity(raw).key

    def _made(self, meta: ListMetadata, all_read: Iterable[M | Key], known: Known) -> Page[T]:
        items: list[T] = []
        unreadable: list[Key] = []
        for read in all_read:
            if isinstance(read, Key):
                unreadable.append(read)
                continue
            try:
                item = self._checked(read, known)
            except ValueError:
                unreadable.append(read.metadata.key)
                continue
            if item is not None:
                items.append(item)
        return Page(items, meta.resource_version, meta.continue_, tuple(unreadable))

    def event(self, line: bytes, known: Known) -> Event[T]:
        """See `Source.event`."""
        try:
            read = decode(self._event, line)
        except msgspec.ValidationError:
            return _unread(line)
        meta = read.object.metadata
        event: Event[T] = Event(read.type, meta.resource_version, meta.key, meta.uid)
        if read.type in CHANGES:
            try:
                event.object = self._checked(read.object, known)
            except ValueError:
                event.unreadable = True
        elif read.type == "DELETED":
            self._deleted(read.object)
        return event

    def answer(self, body: bytes) -> T:
        """Read a single object, as a GET or a write is answered; wanted whatever it looks like.

        Raises KubeError (UNKNOWN) if it cannot be understood.
        """
        try:
            item = self._checked(decode(self._item, body), _whatever)
        except ValueError as error:
            raise KubeError(Failure.UNKNOWN, f"the answer cannot be read: {error}") from error
        if item is None:
            raise KubeError(Failure.UNKNOWN, "the answer is not what was asked for")
        return item

    def _checked(self, read: M, known: Known) -> T | None:
        if not read.metadata.name or not read.metadata.uid:
            raise ValueError("an object without name or UID")
        return self._convert(read, known)


def _whatever(_key: Key, _uid: str) -> bool:
    return True


def _unread(line: bytes) -> Event[T]:
    envelope = decode(_ENVELOPE, line)
    named = _identity(envelope.object)
    return Event(
        envelope.type,
        named.version,
        named.key,
        named.uid,
        unreadable=envelope.type in CHANGES,
    )


class _Known(Struct):
    key: Key
    uid: str
    version: str


def _identity(raw: Raw) -> _Known:
    try:
        meta = decode(_NAMED, raw).metadata
    except msgspec.DecodeError:
        return _Known(Key("", ""), "", "")
    return _Known(Key(meta.namespace, meta.name), meta.uid, meta.resource_version)


class Held(Struct, frozen=True):
    """An object of any kind, by its metadata. `owner`: what manages it."""

    key: Key
    uid: str
    resource_version: str
    deleting: bool
    owner: Owner | None


def _held(read: Model, _known: Known) -> Held:
    meta = read.metadata
    deleting = meta.deletion_timestamp is not None
    return Held(meta.key, meta.uid, meta.resource_version, deleting, meta.controller)


METADATA: Final[Reader[Model, Held]] = Reader(Model, _held)
"""Reads the metadata of any object."""
