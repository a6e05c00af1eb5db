"""`python -m diffing`."""

from diffing.cli import main

main()
