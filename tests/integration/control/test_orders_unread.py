"""A leader that cannot read what is ordered changes nothing before it can."""

from __future__ import annotations

from dnatctl.kube.client import KubeClient
from dnatctl.kube.orders import OrdersApi
from dnatctl.orders import Order, OrderKind
from dnatctl_sim.kube.wire.faults import Fault, Match
from tests.support.stage import NAMESPACE, eventually, stage


def test_one_that_fails_to_read_them_at_its_start_heeds_them_all_the_same() -> None:
    with stage() as it:
        it.start_controller()
        it.pod("goes")
        it.ready("goes")
        orders = OrdersApi(KubeClient.connect(it.folder / "kubeconfig", 1), NAMESPACE)
        orders.give(Order(OrderKind.PAUSE, "all", by="ops"))
        it.stop_controllers()
        it.delete_pod("goes", grace=0)
        rule = it.kube.faults.add(
            Fault(500), Match(verb="get", resource="configmaps", name="dnatctl-orders"), None
        )
        running = it.start_controller(wait=False)
        it.pod("comes")
        eventually(
            lambda: any("orders" in note for note in running.controller.parts.orders.notes())
        )
        assert not running.controller.parts.standing.working
        rule.cancel()
        eventually(lambda: running.controller.parts.standing.working)
        it.quiet()
        assert len(it.own_rows()) == 1, "it is paused"
        assert not it.record("comes")
        orders.take_back(Order(OrderKind.PAUSE, "all"))
        running.controller.parts.orders.look()
        it.gone("goes")
        it.ready("comes")
