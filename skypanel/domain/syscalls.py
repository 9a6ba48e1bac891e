"""What programs in a sandbox may ask of the kernel: a table from which each engine makes its own kind of filter.

What is in no rule is answered as a kernel would that does not know it, so that programs fall back. That is most of what
this list lacks on purpose too: io_uring and the aio before it, keys, perf, bpf, userfaultfd and mounts, which are for the whole machine.
"""

import errno
import socket
from dataclasses import dataclass

UNKNOWN = errno.ENOSYS
NETLINK_ROUTE = 0
FAMILIES = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6)
# One more than the kernel has numbers for: what comes after it is unknown to it.
_LAST_FAMILY = 48
_AF_NETLINK = 16
_LAST_NETLINK = 31
# CLONE_NEW* of clone(2): namespaces, in which more of the kernel would be open.
_NAMESPACES = 0x7E020000
# Linux as it is, with 32 bits of addresses or a kernel that says 2.6, and the question which it is: personality(2).
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
# What a program may try, and then expects to be told that it lacks the rights.
_DENIED = "chroot mount pivot_root reboot setdomainname sethostname setns settimeofday syslog umount2 unshare"


@dataclass(frozen=True)
class Argument:
    """An argument by its number from 0 on that has this value, of the bits of the mask."""

    number: int
    value: int
    mask: int | None = None


@dataclass(frozen=True)
class Rule:
    """Calls that are allowed, or answered with an error, where all the arguments are as said."""

    calls: tuple[str, ...]
    error: int = 0
    arguments: tuple[Argument, ...] = ()


def _families() -> tuple[Rule, ...]:
    """Return the rules for sockets: a family that nobody needs is answered as one that is not there."""
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
    # its flags are out of a filter's sight; older versions of Docker would say something else of what they do not know
    Rule(("clone3",), UNKNOWN),
    *(Rule(("personality",), 0, (Argument(0, value),)) for value in _PERSONALITIES),
    *_families(),
)
