"""`python -m skypanel.launcher`: runs until SIGTERM, then stops everything it started."""

import asyncio
import os
import sys

from skypanel.launcher import rootless, signals
from skypanel.launcher.life import live
from skypanel.launcher.options import parse_options


def main() -> None:
    """Enter a mount namespace of our own, so that no mount outlives us; not root: a user and a network namespace too."""
    signals.reset_signals()
    options = parse_options(sys.argv[1:])
    inner = (sys.executable, "-m", "skypanel.launcher", *sys.argv[1:], "--inner")
    if options.inner:
        asyncio.run(live(options))
    elif os.geteuid() != 0:
        sys.exit(asyncio.run(rootless.run(options, inner)))
    else:
        os.execvp("unshare", ("unshare", "--mount", "--propagation", "private", "--", *inner))  # noqa: S606 - it takes our place


if __name__ == "__main__":
    main()
