"""Signal dispositions of dynos and builds. They do not depend on who started the panel."""

import signal

# Python ignores these for itself and resets them in child processes.
PYTHONS_OWN = frozenset({signal.SIGPIPE, signal.SIGXFSZ})


def reset_signals() -> None:
    """Reset each signal that was inherited as ignored to its default action, here and in all child processes.

    `nohup` ignores signals, and so does a shell without job control for its background jobs.
    No shell that inherits an ignored signal can reset it (POSIX, 2.11).
    """
    for number in signal.valid_signals() - PYTHONS_OWN:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
