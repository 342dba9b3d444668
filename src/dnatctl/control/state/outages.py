"""Claimed external IPs that forward nothing, although their rows are Available.

An EIP can be taken from its gateway by force, and it or the gateway be locked for an unpaid bill:
the rows stay as they are, and reach nothing. Two descriptions in a row must say so before it is
believed: an odd answer must not cost a thousand pods their addresses. Anybody may write a PodDNAT
that names any IP: one that was never seen bound there, and has no entry of ours, is no reason to
describe the gateway again and again. Pure; nothing is locked.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from dnatctl.model import Gateway


class Outages:
    """What the last two descriptions of each gateway say."""

    def __init__(self) -> None:
        self._suspected: dict[str, Mapping[str, str]] = {}
        self._believed: dict[str, Mapping[str, str]] = {}
        self._bound: dict[str, frozenset[str]] = {}
        """Of each gateway the claimed IPs that were once seen bound to it."""
        self._urgent: dict[str, bool] = {}

    def why(self, gateway_id: str, ip: str) -> str:
        """Why that IP forwards nothing; empty if it does as far as is known."""
        return self._believed.get(gateway_id, {}).get(ip, "")

    def suspected(self, gateway_id: str) -> bool:
        """Whether the gateway is to be described again soon: to be sure, or to see it heal."""
        return self._urgent.get(gateway_id, False)

    def take_in(
        self, gateway: Gateway, claimed: Collection[str], in_use: Callable[[], Collection[str]]
    ) -> bool:
        """A gateway was described; `claimed` are its external IPs that somebody claims, `in_use`
        tells those that its table has entries of ours on.

        Returns whether what is believed has changed.
        """
        gateway_id = gateway.gateway_id
        found = {ip: why for ip in claimed if (why := _outage(gateway, ip))}
        before = self._suspected.get(gateway_id, {})
        believed = {ip: why for ip, why in found.items() if ip in before}
        bound = self._bound.get(gateway_id, frozenset()).union(eip.ip for eip in gateway.eips)
        self._bound[gateway_id] = bound.intersection(claimed)
        self._urgent[gateway_id] = bool(found) and not found.keys().isdisjoint(
            self._bound[gateway_id].union(in_use())
        )
        changed = believed != self._believed.get(gateway_id, {})
        self._suspected[gateway_id], self._believed[gateway_id] = found, believed
        return changed


def _outage(gateway: Gateway, ip: str) -> str:
    """Why that IP forwards nothing, by one description. An absent gateway has no rows at all, and
    of one that the cloud does not describe nothing is known."""
    if gateway.absent or gateway.unread:
        return ""
    if gateway.locked:
        return f"the gateway {gateway.problem}: see at the cloud why{_cause(gateway.problem)}"
    eip = next((eip for eip in gateway.eips if eip.ip == ip), None)
    if eip is None:
        return f"EIP {ip} is not bound to it any more: bind it again, or delete the PodDNAT to move"
    return (
        f"EIP {ip} is locked: see at the cloud why (an unpaid bill, security)" if eip.locked else ""
    )


def _cause(problem: str) -> str:
    """What the kind of a lock says of its cause; a kind that is not known says nothing."""
    kinds = {"FinancialLocked": " (an unpaid bill)", "SecurityLocked": " (security)"}
    return next((cause for kind, cause in kinds.items() if kind in problem), "")
