"""The seccomp filter of sandboxes, by libseccomp. `python -m skypanel.drivers.sandbox.seccomp` prints it in base64.

The launcher runs this program to get the filter. So the launcher needs only the standard library, and trusts no file that
others could change. The format is https://man7.org/linux/man-pages/man2/seccomp.2.html.
"""

import base64
import sys
import tempfile

import pyseccomp

from skypanel.domain.syscalls import RULES, UNKNOWN, Argument, Rule

# A binary tree: about six comparisons for each system call instead of hundreds.
_TREE = 2


def program() -> bytes:
    """Return the filter as a program of this machine's kernel. Raises OSError."""
    unknown = pyseccomp.ERRNO(UNKNOWN)
    made = pyseccomp.SyscallFilter(unknown)
    # of another architecture: 32-bit programs
    made.set_attr(pyseccomp.Attr.ACT_BADARCH, unknown)
    made.set_attr(pyseccomp.Attr.CTL_OPTIMIZE, _TREE)
    for rule in RULES:
        for call in rule.calls:
            _add(made, rule, call)
    with tempfile.TemporaryFile() as file:
        made.export_bpf(file)
        file.seek(0)
        return file.read()


def _add(made: pyseccomp.SyscallFilter, rule: Rule, call: str) -> None:
    number = pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, call)
    is_known = number >= 0  # to this architecture and this libseccomp
    if is_known and rule.error != UNKNOWN:
        action = pyseccomp.ERRNO(rule.error) if rule.error else pyseccomp.ALLOW
        made.add_rule(action, number, *map(_argument, rule.arguments))


def _argument(argument: Argument) -> pyseccomp.Arg:
    if argument.mask is None:
        return pyseccomp.Arg(argument.number, pyseccomp.EQ, argument.value)
    return pyseccomp.Arg(argument.number, pyseccomp.MASKED_EQ, argument.mask, argument.value)


if __name__ == "__main__":
    sys.stdout.write(base64.b64encode(program()).decode())
