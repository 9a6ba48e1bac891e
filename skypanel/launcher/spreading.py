"""Folders whose folders ext4 puts far from each other.

Without a journal ext4 takes no inode again until minutes after its deletion, and each new file is looked for past all of those in
its block group (recently_deleted in the kernel's fs/ext4/ialloc.c). Where a tree of many files is deleted and the next one made in
the same group, as a slug after a slug is, making one takes longer each time: 0.1 s for the first, 1 s for the thirtieth of 1,500
files. A top-level folder is what its allocator has against that: each folder in it goes to a group of its own.
"""

import fcntl
import os
import struct
from contextlib import suppress
from pathlib import Path

# ioctl_iflags(2), FS_TOPDIR_FL: what lsattr(1) calls T.
_TOP_LEVEL = 0x00020000
# The numbers say that a long is passed; the kernel takes an int.
_LONG_BYTES = struct.calcsize("l")
_GET = 0x80006601 | _LONG_BYTES << 16
_SET = 0x40006602 | _LONG_BYTES << 16
_FLAGS = struct.Struct("I")


def spread(folder: Path) -> None:
    """Have what is made in a folder stand far from each other; other file systems than ext4 do as they please."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        with suppress(OSError):
            (flags,) = _FLAGS.unpack(fcntl.ioctl(descriptor, _GET, bytes(_FLAGS.size)))
            fcntl.ioctl(descriptor, _SET, _FLAGS.pack(flags | _TOP_LEVEL))
    finally:
        os.close(descriptor)
