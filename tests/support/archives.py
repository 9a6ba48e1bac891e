"""Archives for tests: valid and hostile ones."""

import gzip
import io
import tarfile


def entry(name, body=b"", kind=tarfile.REGTYPE, *, target="", mode=0o644, pax=None):
    header = tarfile.TarInfo(name)
    header.type, header.linkname, header.mode = kind, target, mode
    header.size, header.pax_headers = len(body), pax or {}
    return header, body


def tar(*entries, style=tarfile.PAX_FORMAT):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=style) as archive:
        for header, body in entries:
            archive.addfile(header, io.BytesIO(body))
    return out.getvalue()


def tgz(*entries, style=tarfile.PAX_FORMAT):
    return gzip.compress(tar(*entries, style=style), mtime=0)


def of_folder(folder):
    """Return a sample app as a .tgz, as `tar -czf` makes it."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        archive.add(folder, ".")
    return out.getvalue()


def link(name, target):
    return entry(name, kind=tarfile.SYMTYPE, target=target)


def hard_link(name, target):
    return entry(name, kind=tarfile.LNKTYPE, target=target)


APP = entry("Procfile", b"web: serve\n")

HOSTILE = {
    "up": tgz(APP, entry("../x", b"x")),
    "up and down": tgz(APP, entry("a/../../x", b"x")),
    "absolute": tgz(APP, entry("/etc/x", b"x")),
    "nul in pax": tgz(APP, entry("a", b"x", pax={"path": "a\0b"})),
    "link out": tgz(APP, link("a", "../x")),
    "link out of a folder": tgz(APP, link("a/b", "../../x")),
    "absolute link": tgz(APP, link("a", "/etc/passwd")),
    "link up through a link": tgz(APP, entry("d/e/f", b""), link("s", "d/e"), link("t", "s/../../..")),
    "empty link": tgz(APP, link("a", "")),
    "through a link": tgz(APP, entry("b/c", b""), link("a", "b"), entry("a/x", b"x")),
    "link over a folder": tgz(APP, entry("a/x", b"x"), link("a", "b")),
    "twice": tgz(APP, APP),
    "inside of a file": tgz(APP, entry("Procfile/x", b"x")),
    "hard link out": tgz(APP, hard_link("a", "/etc/passwd")),
    "hard link up": tgz(APP, hard_link("a", "../x")),
    "hard link to a link": tgz(APP, link("s", "Procfile"), hard_link("a", "s")),
    "device": tgz(APP, entry("null", kind=tarfile.CHRTYPE)),
    "block device": tgz(APP, entry("disk", kind=tarfile.BLKTYPE)),
    "pipe": tgz(APP, entry("pipe", kind=tarfile.FIFOTYPE)),
    "git": tgz(APP, entry(".git/config", b"x")),
    "git in other letters": tgz(APP, entry("a/.GIT/config", b"x")),
    "long name": tgz(APP, entry("a" * 300, b"x")),
    "long path": tgz(APP, entry("a/" * 3000 + "b", b"x")),
    "very long path": tgz(APP, entry("x", b"x", pax={"path": "../" * 60_000})),
    "very long link": tgz(APP, entry("x", kind=tarfile.SYMTYPE, pax={"linkpath": "a" * 200_000})),
    "the root": tgz(APP, entry("./", b"x")),
    "no files": tgz(),
    "folders only": tgz(entry("a", kind=tarfile.DIRTYPE)),
    "one byte": b"x",
    "nothing": b"",
    "no tar": gzip.compress(b"some text, and no archive at all" * 100),
    "not packed": tar(APP),
    "cut off": tgz(APP, entry("x", bytes(range(256)) * 64))[:-200],
    "cut off by a byte": tgz(APP)[:-1],
    "cut off inside": gzip.compress(tar(APP, entry("x", b"x" * 5000))[:3000]),
    "something after it": tgz(APP) + b"something",
    "damaged": tgz(APP)[:-6] + b"\0\0" + tgz(APP)[-4:],
}
