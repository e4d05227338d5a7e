"""`python -m temper`."""

from temper.front_door import main

main()
