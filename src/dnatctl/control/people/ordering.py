"""The thread that reads what people have ordered, and sees to it that it is heeded."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from dnatctl.control.state.views import Views
from dnatctl.heartbeat import Heartbeats
from dnatctl.kube.errors import Failure, KubeError
from dnatctl.kube.orders import OrdersApi
from dnatctl.loop import Loop
from dnatctl.orders import READ_EVERY_S, Orders

log = structlog.get_logger(__name__)


class OrderKeeper:
    """Keeps the orders in the views. `changed` is called when others than before change what is
    done."""

    def __init__(
        self,
        views: Views,
        api: OrdersApi,
        hearts: Heartbeats,
        changed: Callable[[], None],
    ) -> None:
        self._views = views
        self._api = api
        self._changed = changed
        self._followers: list[Callable[[Orders], None]] = []
        self._trouble = ""
        self._loop = Loop("dnatctl-orders", self._step, hearts)

    def follow(self, told: Callable[[Orders], None]) -> None:
        """Have somebody told of each change, besides."""
        self._followers.append(told)

    def start(self) -> None:
        """Start reading them again and again."""
        self._loop.start()

    def stop(self) -> None:
        """Read nothing more; does not wait."""
        self._loop.stop()

    def notes(self) -> list[str]:
        """Lines for `/readyz?verbose`: what is ordered, and what cannot be read."""
        given = [f"[ ]{order}" for order in self._views.orders.each]
        return [*given, f"[!]orders: {self._trouble}"] if self._trouble else given

    def look(self) -> bool:
        """Read them once; whether it is known now what is ordered. Where that fails, those known
        before stand until their end; where nobody may read them there are none."""
        now = self._views.clock.now()
        try:
            orders, unreadable = self._api.read(now)
        except KubeError as error:
            self._tell(f"they cannot be read: {error}")
            self._heed(self._views.orders.standing(now))
            return error.failure is Failure.FORBIDDEN
        self._tell(f"{unreadable} cannot be understood" if unreadable else "")
        self._heed(orders)
        return True

    def _heed(self, orders: Orders) -> None:
        before = self._views.orders
        if not self._views.order(orders):
            return
        for told in self._followers:
            told(orders)
        log.info("orders", orders=[str(order) for order in orders.each])
        if before.acting != orders.acting:
            self._changed()

    def _tell(self, trouble: str) -> None:
        if trouble and trouble != self._trouble:
            log.warning("orders", error=trouble)
        self._trouble = trouble

    def _step(self) -> float:
        self.look()
        return READ_EVERY_S
