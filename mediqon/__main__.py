"""`python -m mediqon` is `mediqon`."""

from mediqon.cli import main

main()
