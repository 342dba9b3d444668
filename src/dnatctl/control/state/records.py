"""Which PodDNAT is whose: what is known of each by its UID."""

from __future__ import annotations

from collections.abc import Mapping

from dnatctl.objects import Key, PodDNAT


class Records:
    """The PodDNATs that there are. Each question and each change is one step: it needs no lock."""

    def __init__(self) -> None:
        self._keys: dict[str, Key] = {}
        self._pod_uids: dict[str, str] = {}
        """Of which pod a PodDNAT is, by UID; a fixed one is its workload's."""
        self._made: set[str] = set()

    def note(self, record: PodDNAT) -> None:
        """It is there."""
        self._keys[record.uid] = record.key
        self._pod_uids[record.uid] = next((o.uid for o in record.owners if o.kind == "Pod"), "")

    def forget(self, uid: str) -> None:
        """It is gone."""
        self._keys.pop(uid, None)
        self._pod_uids.pop(uid, None)
        self._made.discard(uid)

    def made(self, uid: str) -> None:
        """This process has created the PodDNAT with that UID."""
        self._made.add(uid)

    def made_here(self, uid: str) -> bool:
        """Whether this process has created it: no other has made a row for it."""
        return uid in self._made

    @property
    def keys(self) -> Mapping[str, Key]:
        """Namespace and name of every PodDNAT, by UID."""
        return self._keys

    def key_of(self, uid: str) -> Key | None:
        """The name of the PodDNAT with that UID."""
        return self._keys.get(uid)

    def whose(self, uid: str) -> dict[str, str]:
        """What lines of the log about the PodDNAT with that UID are found by."""
        pod_uid = self._pod_uids.get(uid, "")
        return {"key": str(self._keys.get(uid, "")), "pod_uid": pod_uid, "uid": uid}
