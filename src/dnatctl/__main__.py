"""`python -m dnatctl`."""

from dnatctl.cli import main

main()
