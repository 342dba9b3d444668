"""Marks: how a row says whose it is, and how a write says that it is the same write again.

ForwardEntryName is the only tag a forward entry has (2 to 128 characters, starting with a letter),
so ownership is written there. A mark is matched whole: a look-alike of another cluster, of
Terraform or of a person is foreign.

A configuration may be copied, and with it the cluster's ID. So a mark also carries a tag that is
made of what no copy shares: rows of another cluster are told by it. Rows without a tag were made
before this was known, here or elsewhere.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_NOT_ALLOWED = re.compile(r"[^A-Za-z0-9-]")
_TAG = re.compile(r"[0-9a-f]{8}")
NAME_LIMIT = 128
TOKEN_LIMIT = 64

_ANY_MARK = re.compile(rf"dnatctl_[^_]+_{_UUID}(_.*)?", re.DOTALL)


def is_marked(name: str) -> bool:
    """Whether dnatctl made a row of that name, in this cluster or in any other."""
    return _ANY_MARK.fullmatch(name) is not None


def is_tag(text: str) -> bool:
    """Whether the text could be the tag of a cluster."""
    return _TAG.fullmatch(text) is not None


def tag_of(cluster_uid: str) -> str:
    """The tag of the cluster whose namespace kube-system has that UID; empty if it is not known."""
    if not cluster_uid:
        return ""
    return hashlib.sha256(cluster_uid.encode()).hexdigest()[:8]


@dataclass(frozen=True, slots=True)
class Mark:
    """What a mark says: the UID of a PodDNAT, and the tag of its cluster, empty if it has none."""

    uid: str
    tag: str


@dataclass(frozen=True, slots=True)
class Marks:
    """The marks of one cluster. `cluster_id` must not contain `_`, which separates the parts.

    `tag` is empty while it is not known which cluster this is. `former`: IDs under which this very
    cluster has worked before; what it made then bears its tag and is its own still.
    """

    cluster_id: str
    tag: str = ""
    former: tuple[str, ...] = ()

    def name(self, record_uid: str, label: str = "") -> str:
        """The ForwardEntryName for a row of the PodDNAT with that UID.

        `label` (namespace/name of the pod) is for people who read the table; it is cut to fit.
        """
        mark = f"dnatctl_{self.cluster_id}_{record_uid}"
        # Both parts of it may have hyphens, so only "_" tells team/a-web from team-a/web, and a.b
        # from a-b: a namespace has no dot. Without a tag the first part would be taken for one.
        between = "_" if self.tag else "-"
        text = between.join(_NOT_ALLOWED.sub("-", part) for part in re.split("[/.]", label))
        more = f"_{self.tag}_{text}" if self.tag else f"_{text}" if text else ""
        return f"{mark}{more}"[:NAME_LIMIT]

    def read(self, name: str) -> Mark | None:
        """What the mark on a row of that name says; None where it is not one of this cluster's ID,
        nor made by this cluster under a former one."""
        if (found := _read(name, self.cluster_id)) is not None:
            return found
        before = (mark for former in self.former if (mark := _read(name, former)) is not None)
        return next((mark for mark in before if mark.tag and mark.tag == self.tag), None)

    def owner(self, name: str) -> str:
        """The UID of the PodDNAT a row with that name belongs to; empty for a foreign row."""
        mark = self.read(name)
        return mark.uid if mark is not None and mark.tag in ("", self.tag) else ""

    def proves(self, name: str) -> bool:
        """Whether a row of that name was certainly made by this cluster."""
        mark = self.read(name)
        return mark is not None and bool(mark.tag) and mark.tag == self.tag

    def made_for(self, name: str, label: str) -> bool:
        """Whether a row of that name was certainly made by this cluster, under whichever of its
        IDs, and for whom that label stands: not where it was cut to fit."""
        mark = self.read(name)
        if mark is None or not self.proves(name) or len(name) >= NAME_LIMIT:
            return False
        ids = (self.cluster_id, *self.former)
        return any(name == replace(self, cluster_id=each).name(mark.uid, label) for each in ids)

    def stranger(self, name: str) -> str:
        """The tag of the other cluster that made a row of that name with the same cluster ID."""
        mark = self.read(name)
        return mark.tag if mark is not None and mark.tag != self.tag else ""

    def token(self, *intent: object) -> str:
        """The ClientToken of an intended write: the same intent gives the same token.

        At most 64 ASCII characters, as the cloud demands.
        """
        text = "\x1f".join(str(part) for part in (self.cluster_id, *intent))
        return hashlib.sha256(text.encode()).hexdigest()[:TOKEN_LIMIT]


def _read(name: str, cluster_id: str) -> Mark | None:
    prefix = f"dnatctl_{cluster_id}_"
    if not name.startswith(prefix):
        return None
    uid, _, more = name[len(prefix) :].partition("_")
    if not re.fullmatch(_UUID, uid):
        return None
    tag, separator, _ = more.partition("_")  # a label has none
    return Mark(uid, tag if separator and is_tag(tag) else "")
