"""What a process that was forked asks of the kernel for itself, as setpriv(1) does for one that it starts."""

import ctypes
import os

_PR_SET_PDEATHSIG = 1
_CAPABILITY_VERSION_3 = 0x20080522


def end_with(parent: int, signal: int) -> None:
    """Have the kernel send this process a signal when the one that forked it ends (prctl(2))."""
    _check(ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal))
    if os.getppid() != parent:
        os.kill(os.getpid(), signal)


def drop_capabilities() -> None:
    """Give up every right beyond those of the user, for this process and what it starts (capset(2))."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    none = (ctypes.c_uint32 * 6)()
    _check(ctypes.CDLL(None, use_errno=True).capset(header, none))


def _check(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
