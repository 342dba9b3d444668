"""A real Kubernetes control plane on loopback, for the end-to-end tests and by hand.

Everything in this package runs on the system's Python with the standard library alone, so that
`hack/control-plane` works before the project's virtual environment exists.
"""
