"""What dynos and builds do at a signal: never what whoever started the panel did at it."""

import signal

# Python ignores these for itself, and gives them back to what it starts.
PYTHONS_OWN = frozenset({signal.SIGPIPE, signal.SIGXFSZ})


def reset_signals() -> None:
    """Take the default action for each signal that was inherited as ignored, and have all that is started do so.

    Shells without job control start what runs in the background so, as does `nohup`, and no shell that inherits it can
    undo it (POSIX, 2.11).
    """
    for number in signal.valid_signals() - PYTHONS_OWN:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
