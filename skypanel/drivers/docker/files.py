"""Files for a container, as a tar that Docker extracts."""

import io
import tarfile
from pathlib import Path


def archive(source: Path, name: str = ".") -> bytes:
    """Return a file or a folder as a tar. Its entries belong to root, are readable for all and writable only for root."""
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w", dereference=True) as target:
        target.add(source, name, filter=_readable)
    return body.getvalue()


def _readable(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    if entry.name.rpartition("/")[2] == "__pycache__":
        return None
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
    return entry
