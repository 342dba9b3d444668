"""Builds the image on this machine, without an engine and without a registry.

The last stage of manifests/image/Containerfile is built as it stands; what differs is where the
stages before it come from: the base is made of Debian's packages (the release takes one by digest,
of the same Debian and Python), and the tree is made by the same script, outside of a container.
"""
