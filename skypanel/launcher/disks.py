"""Disks of a bounded size: an ext4 image on a loop device, or a measured folder if there are no loop devices."""

# ruff: noqa: ASYNC240 - short calls on local file systems

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from skypanel.domain.limits import BYTES_PER_FILE
from skypanel.host.cancellation import complete_despite_cancel
from skypanel.host.commands import CommandFailed, call

FULL_BYTES = 1024**2
_BLOCK = 512
# The overhead of a file system, in addition to its files.
_OVERHEAD_BYTES = 1024**2


class Disk(Protocol):
    """The disk space of one sandbox or build cache."""

    @property
    def path(self) -> Path:
        """Where the launcher sees the disk."""
        ...

    @property
    def kept_bytes(self) -> int | None:
        """How much of the contents a persistent disk may keep. None for a disk that is deleted with its sandbox."""
        ...

    async def open(self) -> None:
        """Make the disk. Raises CommandFailed, OSError."""
        ...

    async def full(self) -> bool:
        """Whether the disk is full."""
        ...

    def used_bytes(self) -> int | None:
        """Return how much of it is in use; None if that takes long to find out. Raises OSError if it is gone."""
        ...

    async def close(self) -> None:
        """Remove the disk, also after a failed `open`. A persistent disk keeps its contents."""
        ...


@asynccontextmanager
async def opened(disk: Disk) -> AsyncIterator[Disk]:
    """Open a disk for the length of the block. Raises CommandFailed, OSError."""
    try:
        await disk.open()
        yield disk
    finally:
        await complete_despite_cancel(disk.close())


@dataclass(frozen=True)
class LoopDisk:
    """An ext4 image on a loop device, in a mount that only the launcher and its sandboxes see.

    A persistent image is reused with its contents. It is formatted anew if it is damaged, has another size,
    or holds more than `kept_bytes`.
    """

    image: Path
    path: Path
    size_bytes: int
    uid: int
    kept_bytes: int | None = None

    async def open(self) -> None:
        """Make the image or reuse it, and mount it."""
        if self.kept_bytes is None or not await self._is_reusable():
            await self._format()
        self.path.mkdir()
        await self._mount()
        if self._exceeds_kept():  # a killed launcher may leave it so
            await unmount(self.path)
            await self._format()
            await self._mount()

    async def full(self) -> bool:
        """Whether less than 1 MiB or no inode is free."""
        status = os.statvfs(self.path)
        return status.f_bavail * status.f_frsize < FULL_BYTES or status.f_favail == 0

    def used_bytes(self) -> int | None:
        """Return how much of the file system is in use."""
        status = os.statvfs(self.path)
        return (status.f_blocks - status.f_bfree) * status.f_frsize

    async def close(self) -> None:
        """Unmount the image; delete it unless it is persistent."""
        lasts = self.kept_bytes is not None and not self._exceeds_kept()
        if self.path.is_dir():
            await unmount(self.path)
            self.path.rmdir()
        if not lasts:
            self.image.unlink(missing_ok=True)

    async def _mount(self) -> None:
        await call(mount_image(self.image, self.path))

    async def _format(self) -> None:
        self.image.unlink(missing_ok=True)
        # only the app may read its contents
        with os.fdopen(os.open(self.image, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.truncate(self.size_bytes)
        await call(mkfs(self.image, self.uid))

    async def _is_reusable(self) -> bool:
        if not self.image.is_file() or self.image.stat().st_size != self.size_bytes:
            return False
        try:
            await call(("e2fsck", "-p", str(self.image)))
        except CommandFailed:
            return False
        return True

    def _exceeds_kept(self) -> bool:
        """Whether a persistent disk holds more than `kept_bytes`."""
        if self.kept_bytes is None or not self.path.is_mount():
            return False
        status, room = os.statvfs(self.path), self.kept_bytes + _OVERHEAD_BYTES
        files = status.f_files - status.f_ffree
        return (status.f_blocks - status.f_bfree) * status.f_frsize > room or files > room // BYTES_PER_FILE


@dataclass(frozen=True)
class FolderDisk:
    """A folder whose size is polled, for machines without loop devices."""

    path: Path
    size_bytes: int
    kept_bytes: int | None = None

    async def open(self) -> None:
        """Make the folder, or reuse a persistent one. It is emptied first if it holds more than `kept_bytes`."""
        if self.kept_bytes is not None:  # a killed launcher may leave it too full
            await self.close()
        self.path.mkdir(exist_ok=self.kept_bytes is not None)

    async def full(self) -> bool:
        """Whether its files take up more than its size."""
        return await asyncio.to_thread(usage, self.path) > self.size_bytes

    def used_bytes(self) -> int | None:
        """Return None: all its files would have to be looked at."""
        return None

    async def close(self) -> None:
        """Delete the folder, unless it is persistent and within `kept_bytes`."""
        if self.kept_bytes is None or await asyncio.to_thread(usage, self.path) > self.kept_bytes + _OVERHEAD_BYTES:
            await asyncio.to_thread(delete_tree, self.path)


def mkfs(image: Path, uid: int) -> tuple[str, ...]:
    """Return the command that makes a file system. It has no journal, because a damaged one is made anew."""
    return (
        *("mkfs.ext4", "-q", "-F", "-m", "0", "-i", str(BYTES_PER_FILE), "-O", "^has_journal"),
        *("-E", f"lazy_itable_init=1,nodiscard,root_owner={uid}:{uid}", str(image)),
    )


def mount_image(image: Path, target: Path) -> tuple[str, ...]:
    """Return the command that mounts an image. The kernel frees the loop device when it is unmounted."""
    return ("mount", "-t", "ext4", "-o", "loop,nosuid,nodev,noatime,discard", str(image), str(target))


def mount_overlay(lower: Path, upper: Path, work: Path, target: Path, *, unprivileged: bool) -> tuple[str, ...]:
    """Return the command that mounts `lower` with an overlay: all writes go to `upper`."""
    flags = ["nosuid", "nodev", f"lowerdir={lower}", f"upperdir={upper}", f"workdir={work}", *(["userxattr"] if unprivileged else [])]
    return ("mount", "-t", "overlay", "-o", ",".join(flags), "overlay", str(target))


async def unmount(path: Path) -> None:
    """Unmount `path` if it is a mount point; lazily if it is busy."""
    if not path.is_mount():
        return
    try:
        await call(("umount", str(path)))
    except CommandFailed:
        await call(("umount", "--lazy", str(path)))


def usage(path: Path) -> int:
    """Return how many bytes of storage a tree takes up. Files may vanish meanwhile."""
    total = 0
    folders = [str(path)]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    total += entry.stat(follow_symlinks=False).st_blocks * _BLOCK
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            continue
    return total


def delete_tree(path: Path) -> None:
    """Delete a tree if it exists. A symbolic link is deleted; its target stays."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
    else:
        shutil.rmtree(path)
