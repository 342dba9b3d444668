"""The pool: which endpoints may be handed out, and which one is next."""

from dnatctl.pool.line import Line
from dnatctl.pool.pool import Allocation, Demand, GatewayPool, Pool, Shortage

__all__ = ["Allocation", "Demand", "GatewayPool", "Line", "Pool", "Shortage"]
