"""Git's wire format by hand, to send what no well-behaved client would."""

import hashlib
import struct
import zlib

ZERO = b"0" * 40


def packet(line):
    return f"{len(line) + 4:04x}".encode() + line


def request(new, ref=b"refs/heads/main", capabilities=b"report-status side-band-64k", more=b""):
    return packet(ZERO + b" " + new + b" " + ref + b"\0" + capabilities) + more + b"0000"


def small_push(ref=b"refs/heads/main", also=()):
    """Return a push request with one file for a ref, and the same commit for other refs."""
    blob = b"web: x\n"
    tree = b"100644 Procfile\0" + bytes.fromhex(object_id("blob", blob).decode())
    commit = commit_of(object_id("tree", tree))
    name = object_id("commit", commit)
    more = b"".join(packet(ZERO + b" " + name + b" " + other) for other in also)
    return request(name, ref, more=more) + pack((1, commit, b""), (2, tree, b""), (3, blob, b""))


def pack(*objects):
    """Return a pack of objects, each a tuple of type number, plain body, and bytes between header and body."""
    body = b"PACK" + struct.pack(">II", 2, len(objects))
    for kind, plain, base in objects:
        size = len(plain)
        byte = (kind << 4) | (size & 15)
        size >>= 4
        while size:
            body += bytes([byte | 0x80])
            byte, size = size & 0x7F, size >> 7
        body += bytes([byte]) + base + zlib.compress(plain, 1)
    return body + hashlib.sha1(body).digest()


def varint(number):
    out = b""
    while True:
        number, low = number >> 7, number & 0x7F
        if not number:
            return out + bytes([low])
        out += bytes([low | 0x80])


def object_id(kind, body):
    return hashlib.sha1(f"{kind} {len(body)}\0".encode() + body).hexdigest().encode()


def commit_of(tree):
    who = b"Ada <ada@example.com> 1700000000 +0000"
    return b"tree " + tree + b"\nauthor " + who + b"\ncommitter " + who + b"\n\nx\n"


def gzip_bomb(gibibytes):
    """Return a compressed push whose pack begins with an endless file of zeros."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, 31)
    head = request(b"1" * 40) + b"PACK\0\0\0\2\0\0\0\1" + b"\xb0\x80\x80\x80\x80\1"
    start = squeeze.compress(head) + squeeze.flush(zlib.Z_FULL_FLUSH)
    # Data between two full flushes is independent of its position, so the piece can be repeated.
    piece = squeeze.compress(bytes(2**26)) + squeeze.flush(zlib.Z_FULL_FLUSH)
    return start + piece * (gibibytes * 16) + squeeze.flush()
