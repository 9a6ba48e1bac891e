"""`python -m skypanel.cli`, for the panel's own services."""

from skypanel.cli.main import main

main()
