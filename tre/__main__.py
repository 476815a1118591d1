"""`python -m tre` is `tre`."""

from tre.cli import main

main()
