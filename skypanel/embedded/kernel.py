"""System calls by which a forked process changes itself, as setpriv(1) does before it executes a program."""

import ctypes
import os

_PR_SET_PDEATHSIG = 1
_CAPABILITY_VERSION_3 = 0x20080522


def end_with(parent: int, signal: int) -> None:
    """Make the kernel send this process a signal when its parent ends (prctl(2))."""
    _check(ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal))
    if os.getppid() != parent:
        os.kill(os.getpid(), signal)


def drop_capabilities() -> None:
    """Drop all capabilities of this process and its children (capset(2))."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    none = (ctypes.c_uint32 * 6)()
    _check(ctypes.CDLL(None, use_errno=True).capset(header, none))


def _check(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
