"""The system calls that programs in a sandbox may make: a table from which each engine makes its own filter.

A call in no rule gets the answer of a kernel that does not know it, so programs fall back. Some are left out on purpose because they affect
the whole machine: io_uring and the older aio, keys, perf, bpf, userfaultfd and mounts.
"""

import errno
import socket
from dataclasses import dataclass

UNKNOWN = errno.ENOSYS
NETLINK_ROUTE = 0
FAMILIES = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6)
# One more than the kernel's last number; the kernel itself does not know higher ones.
_LAST_FAMILY = 48
_AF_NETLINK = 16
_LAST_NETLINK = 31
# CLONE_NEW* of clone(2): new namespaces would expose more of the kernel.
_NAMESPACES = 0x7E020000
# Plain Linux, optionally with 32-bit addresses or a kernel that reports 2.6, and the query for the current one: personality(2).
_PERSONALITIES = (0x0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)

_ALLOWED = """
accept accept4 access adjtimex alarm arch_prctl bind brk cachestat capget capset chdir chmod chown clock_getres
clock_gettime clock_nanosleep close close_range connect copy_file_range creat dup dup2 dup3 epoll_create epoll_create1
epoll_ctl epoll_pwait epoll_pwait2 epoll_wait eventfd eventfd2 execve execveat exit exit_group faccessat faccessat2
fadvise64 fallocate fchdir fchmod fchmodat fchmodat2 fchown fchownat fcntl fdatasync fgetxattr flistxattr flock fork
fremovexattr fsetxattr fstat fstatfs fsync ftruncate futex futex_requeue futex_wait futex_waitv futex_wake futimesat
get_robust_list get_thread_area getcpu getcwd getdents getdents64 getegid geteuid getgid getgroups getitimer
getpeername getpgid getpgrp getpid getppid getpriority getrandom getresgid getresuid getrlimit getrusage getsid
getsockname getsockopt gettid gettimeofday getuid getxattr inotify_add_watch inotify_init inotify_init1
inotify_rm_watch ioctl ioprio_get ioprio_set kill
landlock_add_rule landlock_create_ruleset landlock_restrict_self lchown lgetxattr link linkat listen listxattr
llistxattr lremovexattr lseek lsetxattr lstat madvise membarrier memfd_create memfd_secret mincore mkdir mkdirat mknod
mknodat mlock mlock2 mlockall mmap mprotect mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedsend mq_unlink
mremap mseal msgctl msgget msgrcv msgsnd msync munlock munlockall munmap name_to_handle_at nanosleep newfstatat open
openat openat2 pause pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect poll ppoll prctl
pread64 preadv preadv2 prlimit64 process_mrelease process_vm_readv process_vm_writev pselect6 ptrace pwrite64 pwritev
pwritev2 read readahead readlink readlinkat readv recvfrom recvmmsg recvmsg remap_file_pages removexattr rename
renameat renameat2 restart_syscall rmdir rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn
rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo sched_get_priority_max sched_get_priority_min sched_getaffinity
sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval sched_setaffinity sched_setattr sched_setparam
sched_setscheduler sched_yield seccomp select semctl semget semop semtimedop sendfile sendmmsg sendmsg sendto
set_robust_list set_thread_area set_tid_address setfsgid setfsuid setgid setgroups setitimer setpgid setpriority
setregid setresgid setresuid setreuid setrlimit setsid setsockopt setuid setxattr shmat shmctl shmdt shmget shutdown
sigaltstack signalfd signalfd4 splice stat statfs statx symlink symlinkat sync sync_file_range syncfs sysinfo tee
tgkill time timer_create timer_delete timer_getoverrun timer_gettime timer_settime timerfd_create timerfd_gettime
timerfd_settime times tkill truncate umask uname unlink unlinkat utime utimensat utimes vfork vmsplice wait4 waitid
write writev
"""
# Calls that programs try although they expect EPERM.
_DENIED = "chroot mount pivot_root reboot setdomainname sethostname setns settimeofday syslog umount2 unshare"


@dataclass(frozen=True)
class Argument:
    """A condition: argument `number` (from 0), masked with `mask`, has this value."""

    number: int
    value: int
    mask: int | None = None


@dataclass(frozen=True)
class Rule:
    """Calls that are allowed, or that fail with `error`, if all arguments match."""

    calls: tuple[str, ...]
    error: int = 0
    arguments: tuple[Argument, ...] = ()


def _families() -> tuple[Rule, ...]:
    """Return the rules for sockets; a family outside the allow-list fails as if the kernel lacked it."""
    refused = sorted(set(range(_LAST_FAMILY)) - {*FAMILIES, _AF_NETLINK})
    return (
        *(Rule(("socket",), 0, (Argument(0, family),)) for family in FAMILIES),
        Rule(("socketpair",), 0, (Argument(0, socket.AF_UNIX),)),
        Rule(("socket",), 0, (Argument(0, _AF_NETLINK), Argument(2, NETLINK_ROUTE))),
        *(Rule(("socket",), errno.EPROTONOSUPPORT, (Argument(0, _AF_NETLINK), Argument(2, n))) for n in range(1, _LAST_NETLINK)),
        *(Rule(("socket",), errno.EAFNOSUPPORT, (Argument(0, family),)) for family in refused),
    )


RULES = (
    Rule(tuple(_ALLOWED.split())),
    Rule(tuple(_DENIED.split()), errno.EPERM),
    Rule(("clone",), 0, (Argument(0, 0, _NAMESPACES),)),
    # a filter cannot see its flags; older versions of Docker would answer unknown calls with another error
    Rule(("clone3",), UNKNOWN),
    *(Rule(("personality",), 0, (Argument(0, value),)) for value in _PERSONALITIES),
    *_families(),
)
