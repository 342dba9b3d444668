"""dnatctl: public endpoints for pods through DNAT entries of Internet NAT gateways."""

__version__ = "0.1.0"
