"""`python -m diffing`."""

from diffing.cli.app import main

main()
