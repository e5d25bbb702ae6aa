"""`python -m stylesearch` is `stylesearch`."""

from stylesearch.cli import main

main()
