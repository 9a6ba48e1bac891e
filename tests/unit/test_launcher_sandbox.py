from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path
from uuid import UUID

import pytest

from skypanel.domain.limits import BUILD_LIMITS, MIB, Limits
from skypanel.host import firewall
from skypanel.host.allowed import Allowed, parse_allowed
from skypanel.host.environment import boot, dyno_environment
from skypanel.host.overrun import Overrun, sentence
from skypanel.host.ranges import parse_subnet, parse_uid_base
from skypanel.host.resolvers import nameservers
from skypanel.launcher import cgroups, disks, rootless
from skypanel.launcher.dyno import restart_delay_s
from skypanel.launcher.options import parse_options
from skypanel.launcher.processes import descendants, parent_of, to_signal
from skypanel.launcher.sandbox import Bind, Spec, System, command, etc_files, options, system_root

APP = UUID("6f1d2c1e-1111-4222-8333-444455556666")
SYSTEM = System(system_root({"bin": "usr/bin"}, ["sbin"]), disable_userns=True, unprivileged=False, filter=b"")
SPEC = Spec(
    app_id=APP,
    uid=700_007,
    argv=("bash", "-c", "true"),
    environment={"SECRET": "canary"},
    directory="/app",
    binds=(Bind(Path("/base/app"), "/app"), Bind(Path("/base/buildpacks"), "/buildpacks", writable=False)),
    network=False,
)


def pairs(arguments, option, values=2):
    """Return what follows each occurrence of an option."""
    return [tuple(arguments[at + 1 : at + 1 + values]) for at, argument in enumerate(arguments) if argument == option]


class TestOptions:
    def test_the_sandbox_has_its_own_of_everything(self):
        arguments = options(SPEC, SYSTEM, {}, 8)
        assert {"--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent", "--new-session", "--clearenv"} <= set(arguments)
        assert "--share-net" not in arguments
        assert pairs(arguments, "--hostname", 1) == [("6f1d2c1e",)]
        assert pairs(arguments, "--seccomp", 1) == [("8",)]
        assert pairs(arguments, "--uid", 1) == pairs(arguments, "--gid", 1) == [("700007",)]

    def test_only_its_own_folders_can_be_written_to(self):
        arguments = options(SPEC, SYSTEM, {}, 8)
        assert pairs(arguments, "--bind") == [("/base/app", "/app")]
        assert ("/base/buildpacks", "/buildpacks") in pairs(arguments, "--ro-bind")
        assert {source for source, _ in pairs(arguments, "--ro-bind")} == {"/usr", "/sbin", "/base/buildpacks"}
        assert pairs(arguments, "--remount-ro", 1) == [("/dev",), ("/",)]

    def test_nothing_of_etc_but_what_programs_need(self):
        sources = {source for source, _ in pairs(options(SPEC, SYSTEM, {}, 8), "--ro-bind-try")}
        assert {"/etc/ssl/certs", "/etc/alternatives", "/etc/ld.so.cache", "/etc/localtime"} <= sources
        assert not sources & {"/etc", "/etc/passwd", "/etc/shadow", "/etc/hosts", "/etc/ssh", "/etc/resolv.conf", "/etc/ssl"}
        assert not sources & {"/etc/pip.conf", "/etc/npmrc", "/etc/gitconfig", "/etc/apt"}
        assert system_root({}, [], ["/usr/etc"])[3:] == ("--tmpfs", "/usr/etc", "--remount-ro", "/usr/etc")

    def test_the_environment_is_passed_by_descriptor(self):
        assert pairs(options(SPEC, SYSTEM, {}, 8), "--setenv") == [("SECRET", "canary")]
        argv = command(SPEC, SYSTEM, 5, 6, 7)
        assert "canary" not in " ".join(argv)
        assert argv == (
            *("setpriv", "--reuid", "700007", "--regid", "700007", "--clear-groups", "--no-new-privs", "--"),
            *("bwrap", "--args", "5", "--info-fd", "6", "--block-fd", "7", "--", "bash", "-c", "true"),
        )
        assert "canary" not in repr(SPEC)

    def test_without_root_no_rights_are_handed_down(self):
        system = replace(SYSTEM, unprivileged=True, disable_userns=False)
        assert pairs(options(SPEC, system, {}, 8), "--cap-drop", 1) == [("ALL",)]
        assert "--disable-userns" not in options(SPEC, system, {}, 8)
        counted = command(replace(SPEC, max_processes=64), system, 5, 6, 7)
        assert counted[0] == "bwrap"
        assert counted[-6:] == ("prlimit", "--nproc=64", "--", "bash", "-c", "true")

    def test_files_come_by_descriptor_too(self):
        assert ("9", "/etc/hosts") in pairs(options(SPEC, SYSTEM, {"/etc/hosts": 9}, 8), "--file")

    def test_accounts_and_resolvers_are_its_own(self):
        files = etc_files(replace(SPEC, resolvers=("192.0.2.53",)))
        assert b"app:x:700007:700007::/app:/bin/bash" in files["/etc/passwd"]
        assert b"nameserver 192.0.2.53\n" in files["/etc/resolv.conf"]
        assert b"6f1d2c1e" in files["/etc/hosts"]


PLAN = firewall.AddressPlan("0123abcd", IPv4Network("10.90.64.0/18"))


class TestFirewall:
    def test_every_slot_has_a_network_of_two(self):
        assert PLAN.slots == 4096
        assert [str(address) for address in (PLAN.link(0).host, PLAN.link(0).sandbox)] == ["10.90.64.1", "10.90.64.2"]
        assert str(PLAN.link(4095).sandbox) == "10.90.127.254"
        assert len(PLAN.link(4095).name) <= 15
        assert len({PLAN.link(slot).name for slot in range(PLAN.slots)}) == PLAN.slots

    def test_rules(self):
        rules = firewall.ruleset(PLAN, ["10.255.255.53"], [Allowed(IPv4Network("10.1.2.0/24"), 5432), Allowed(IPv4Network("10.3.0.0/16"))])
        assert rules.startswith("table inet skypanel_0123abcd {}\ndelete table inet skypanel_0123abcd\n")
        for rule in (
            "ip daddr 10.255.255.53 udp dport 53 accept",
            "ip daddr 10.255.255.53 tcp dport 53 accept",
            "ip daddr 10.1.2.0/24 tcp dport 5432 accept",
            "ip daddr 10.3.0.0/16 accept",
            "ip daddr @blocked goto refuse",
            "meta nfproto ipv6 drop",
            'oifname "sk0123abx*" drop',
            'ip saddr 10.90.64.0/18 oifname != "sk0123abx*" masquerade',
        ):
            assert rule in rules, rule
        for network in ("169.254.0.0/16", "127.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10"):
            assert network in rules
        assert "prerouting" not in rules

    @pytest.mark.parametrize(
        "rules",
        [
            firewall.ruleset(PLAN, ["10.0.0.53"], []),
            firewall.own_ruleset(["10.0.0.53"], []),
            firewall.bridge_ruleset("p1", "docker_gwbridge", "ski-1", []),
        ],
        ids=["sandboxes", "builds", "bridge"],
    )
    def test_what_begins_a_connection_is_counted_before_any_of_it_is_let_out(self, rules):
        assert "ct state new add @connections { ip saddr ct count over 4096 } goto refuse" in rules
        for chain in rules.split("hook ")[1:]:
            accepting = [line.strip() for line in chain.partition("}\n  chain")[0].splitlines()]
            if out := [line for line in accepting if line.endswith("jump exceptions") or "dport 53 accept" in line]:
                assert accepting.index("jump bounded") < accepting.index(out[0])

    def test_rules_of_a_forwarding_interface(self):
        rules = firewall.ruleset(PLAN, [], [], ["192.0.2.2"], firewall.ForwardingInterface("tap0", "10.0.2.100"))
        assert "iifname tap0 ip daddr 10.0.2.100 dnat ip to tcp dport map @forwards" in rules
        assert "192.0.2.2" in rules
        assert (
            firewall.add_port_forward(PLAN, 30000, 0, 20000)
            == "add element inet skypanel_0123abcd forwards { 30000 : 10.90.64.2 . 20000 }\n"
        )

    def test_a_cable(self):
        assert "link add name sk0123abx1 mtu 1400 type veth peer name eth0 mtu 1400 netns 77\n" in firewall.host_batch(
            PLAN.link(1), 77, 1400
        )
        assert "addr add 10.90.64.6/30 dev eth0\n" in firewall.sandbox_batch(PLAN.link(1))
        assert "route add default via 10.90.64.5\n" in firewall.sandbox_batch(PLAN.link(1))

    def test_a_passage_through_other_firewalls(self):
        assert firewall.forward_rules(PLAN)[0] == ("FORWARD", "-i", "sk0123abx+", "-j", "ACCEPT")

    def test_the_way_out(self):
        head = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n"
        routes = f"{head}lo 0002 0 0 0 0 0 FF 0\neth1\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        assert firewall.default_device(routes) == "eth1"
        assert firewall.default_device("Iface\n") is None


V1 = """\
cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,nosuid,cpu,cpuacct 0 0
cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0
cgroup /sys/fs/cgroup/pids cgroup rw,pids 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0
"""
V2 = "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\n"


class TestCgroups:
    def test_where_they_are(self):
        first, second = cgroups.find_hierarchy(V1), cgroups.find_hierarchy(V2)
        assert (first.version, first.mounts["cpu"]) == (1, Path("/sys/fs/cgroup/cpu,cpuacct"))
        assert (second.version, second.paths("a/b")) == (2, (Path("/sys/fs/cgroup/a/b"),))
        assert cgroups.find_hierarchy("proc /proc proc rw 0 0\n") is None
        assert cgroups.find_hierarchy(V1.replace("rw,pids", "rw,freezer")) is None

    @pytest.mark.parametrize(
        ("mounts", "writes"),
        [
            (
                V1,
                {
                    "memory/g/memory.limit_in_bytes": "2147483648",
                    "memory/g/memory.memsw.limit_in_bytes": "2147483648",
                    "cpu,cpuacct/g/cpu.cfs_period_us": "100000",
                    "cpu,cpuacct/g/cpu.cfs_quota_us": "200000",
                    "pids/g/pids.max": "1024",
                },
            ),
            (
                V2,
                {
                    "g/memory.max": "2147483648",
                    "g/memory.swap.max": "0",
                    "g/memory.oom.group": "1",
                    "g/cpu.max": "200000 100000",
                    "g/pids.max": "1024",
                },
            ),
        ],
    )
    def test_limits(self, mounts, writes):
        made = cgroups.limit_writes(cgroups.find_hierarchy(mounts), "g", BUILD_LIMITS)
        assert {str(write.path.relative_to("/sys/fs/cgroup")): write.value for write in made} == writes

    def test_kills_are_counted(self):
        assert cgroups.oom_kills("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n") == 3
        assert cgroups.oom_kills("low 0\noom 1\noom_kill 0\noom_group_kill 0\n") == 0
        assert cgroups.oom_kills("") == 0


class TestProcesses:
    def test_the_parent_of_a_process_with_a_strange_name(self):
        assert parent_of("77 (a) R) b) S 12 77 77 0") == 12

    def test_all_but_the_init_and_a_waiting_shell_are_told_to_stop(self):
        parents = {1: 0, 10: 1, 20: 10, 30: 20, 31: 20, 40: 10, 99: 1}
        assert descendants(parents, 10) == {20, 30, 31, 40}
        assert to_signal(parents, 10, frozenset({20})) == {30, 31, 40}
        assert to_signal(parents, 10, frozenset()) == {20, 30, 31, 40}

    def test_a_shell_with_nobody_to_wait_for_is_told(self):
        assert to_signal({10: 1, 20: 10}, 10, frozenset({20})) == {20}

    def test_a_shell_further_down_is_the_apps_own(self):
        assert to_signal({10: 1, 20: 10, 30: 20, 40: 30}, 10, frozenset({30})) == {20, 30, 40}


class TestWords:
    @pytest.mark.parametrize(
        ("overrun", "limits", "words"),
        [
            (Overrun.MEMORY, BUILD_LIMITS, "it used more than 2048 MiB of memory"),
            (Overrun.DISK, BUILD_LIMITS, "it wrote more than 4096 MiB to disk"),
            (Overrun.CACHE, BUILD_LIMITS, "it filled its cache of 6144 MiB; the next build begins with an empty one"),
            (Overrun.TIMEOUT, BUILD_LIMITS, "it ran longer than 15 minutes"),
            (Overrun.TIMEOUT, replace(BUILD_LIMITS, timeout_s=60), "it ran longer than 1 minute"),
            (Overrun.TIMEOUT, replace(BUILD_LIMITS, timeout_s=1.5), "it ran longer than 1.5 seconds"),
            (Overrun.TIMEOUT, replace(BUILD_LIMITS, timeout_s=86_400), "it ran longer than 24 hours"),
        ],
    )
    def test_sentences(self, overrun, limits, words):
        assert sentence(overrun, limits) == words

    def test_pauses_between_restarts(self):
        assert [restart_delay_s(failures) for failures in (1, 2, 3, 6, 7, 1000)] == [1, 2, 4, 32, 60, 60]

    @pytest.mark.req("R12.4")
    def test_the_platforms_variables_win(self):
        environment = dyno_environment({"PORT": "1", "A": "b", "PATH": "/x"}, "web.1", 20_001)
        assert environment.items() >= {"PORT": "20001", "DYNO": "web.1", "PS": "web.1", "HOME": "/app", "A": "b", "PATH": "/x"}.items()

    def test_the_command_is_an_argument_and_no_part_of_the_script(self):
        assert boot('echo "$(x)"')[-1] == 'echo "$(x)"'
        assert "echo" not in boot("echo")[2]


class TestCommandLines:
    def test_disks(self):
        assert "root_owner=7:7" in " ".join(disks.mkfs(Path("/d.img"), 7))
        assert "loop,nosuid,nodev" in " ".join(disks.mount_image(Path("/d.img"), Path("/m")))
        overlay = disks.mount_overlay(Path("/l"), Path("/u"), Path("/w"), Path("/m"), unprivileged=True)
        assert overlay[4] == "nosuid,nodev,lowerdir=/l,upperdir=/u,workdir=/w,userxattr"

    def test_without_root(self):
        argv = rootless.namespaces(("python", "-m", "x"), ("192.0.2.2",))
        assert argv[:4] == ("unshare", "--user", "--map-root-user", "--net")
        assert argv[-6:] == ("python", "-m", "x", "--rootless", "--host-addresses", "192.0.2.2")
        assert "--disable-host-loopback" in rootless.slirp(7, "/api", 3, 4)

    def test_options(self):
        words = [
            "--home",
            "/h",
            "--run-dir",
            "/r",
            "--uid-base",
            "1048576",
            "--subnet",
            "10.0.0.0/18",
            "--panel-uid",
            "9",
            "--allow",
            "10.1.0.0/16",
            "10.2.0.1/32:5432",
        ]
        parsed = parse_options(words)
        assert parsed.allowed == (Allowed(IPv4Network("10.1.0.0/16")), Allowed(IPv4Network("10.2.0.1/32"), 5432))
        assert (parsed.owner, parsed.base) == (9, Path(f"/run/skypanel-{parsed.tag}"))
        inner = parse_options([*words, "--inner", "--rootless"])
        assert (inner.owner, inner.base) == (0, Path("/r/launcher"))

    @pytest.mark.parametrize("wrong", ["0", "65536", "-65536", "1048577", "2147483648", "0x100000", "root", ""])
    def test_uids_that_may_be_somebody_elses(self, wrong):
        with pytest.raises(ValueError):  # noqa: PT011 - argparse turns it into its usage message
            parse_uid_base(wrong)

    @pytest.mark.parametrize(
        "wrong", ["0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/19", "8.8.0.0/18", "127.0.0.0/18", "10.0.0.1/18", "fd00::/18", ""]
    )
    def test_subnets_that_are_no_panels(self, wrong):
        with pytest.raises(ValueError):  # noqa: PT011 - argparse turns it into its usage message
            parse_subnet(wrong)

    @pytest.mark.parametrize("wrong", [("--uid-base", "0"), ("--subnet", "8.8.0.0/18")])
    def test_a_launcher_does_not_start_with_them(self, wrong, capsys):
        words = ["--home", "/h", "--run-dir", "/r", "--uid-base", "1048576", "--subnet", "10.0.0.0/18", "--panel-uid", "9"]
        assert parse_options(words).uid_base == 1 << 20
        with pytest.raises(SystemExit):
            parse_options([*words, *wrong])
        assert wrong[0] in capsys.readouterr().err

    @pytest.mark.parametrize("wrong", ["10.0.0.1/8", "a", "10.0.0.0/8:0", "10.0.0.0/8:70000", "10.0.0.0/8:x"])
    def test_what_cannot_be_allowed(self, wrong):
        with pytest.raises(ValueError):  # noqa: PT011 - argparse turns it into its usage message
            parse_allowed(wrong)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("nameserver 192.0.2.53\nnameserver 192.0.2.54 # b\n", ("192.0.2.53", "192.0.2.54")),
        ("nameserver 127.0.0.53\nnameserver ::1\nnameserver fe80::1%eth0\n", ()),
        ("# nameserver 192.0.2.1\nsearch example.com\nnameserver\nnameserver x\n", ()),
        ("nameserver 192.0.2.53\nnameserver 192.0.2.53\n", ("192.0.2.53",)),
    ],
)
def test_resolvers_that_a_sandbox_can_reach(text, found):
    assert nameservers(text) == found


def test_limits_are_whole_mebibytes_in_sentences():
    assert sentence(Overrun.MEMORY, Limits(1, 256 * MIB + 5, 1, 1)) == "it used more than 256 MiB of memory"
