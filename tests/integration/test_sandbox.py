"""Builds in real sandboxes: what every builder does, and what a sandbox keeps from what runs in it."""

import os
import socket
from contextlib import closing

import pytest

from skypanel.launcher.sandbox import SYSTEM_ETC
from skypanel.ports.builder import Step
from tests.contracts.builder import LIMITS, BuilderContract, host_address, output, reaches, shell, text
from tests.fixtures.launcher import ENVIRONMENT, ROOT, launcher, make_app
from tests.support.buildpack_sandbox import CA_BUNDLE, CA_VARIABLES, PASSED_ON
from tests.support.kernel_calls import EXPECTED, PROBE, outcomes

__all__ = ["launcher"]

OTHER_NUMBERS = """
import ctypes, mmap
code = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
code.write(bytes.fromhex("b814000000cd80c3"))
print(ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))())
"""


@pytest.fixture
def builder(launcher):
    return launcher.builder


@pytest.fixture
async def workspace(builder):
    async with builder.workspace(make_app(), LIMITS) as made:
        yield made


@pytest.fixture
def host_service():
    """Something that listens on all of the host's addresses; gives its port."""
    with closing(socket.create_server(("0.0.0.0", 0), backlog=16)) as listener:
        yield listener.getsockname()[1]


class TestBubblewrapBuilder(BuilderContract):
    pass


class TestWhatItSees:
    async def test_nothing_of_the_panel(self, workspace, launcher):
        assert (await output(workspace, shell(f"ls -d {launcher.home} {launcher.run_dir} {launcher.base} /root /home {ROOT} 2>/dev/null")))[
            1
        ] == []

    async def test_its_own_folders_and_the_read_only_system(self, workspace):
        seen = set((await text(workspace, shell("ls /"))).split())
        assert {"app", "buildpacks", "cache", "dev", "env", "etc", "proc", "tmp", "usr"} <= seen
        assert not seen & {"sys", "root", "home", "srv", "opt", "boot", "mnt"}
        for path in ("/usr/x", "/etc/x", "/x", "/dev/x", "/buildpacks/x", "/proc/sys/kernel/hostname", "/run/x"):
            assert not (await output(workspace, shell(f"echo x > {path} 2>/dev/null")))[0].ok, path
        for folder in ("/app", "/cache", "/env", "/tmp", "/var/tmp", "/dev/shm"):
            assert (await output(workspace, shell(f"echo x > {folder}/x")))[0].ok, folder

    async def test_no_secrets_of_the_system(self, workspace):
        assert (await output(workspace, shell("ls /etc/shadow /etc/ssh /etc/ssl/private/* /etc/machine-id 2>/dev/null")))[1] == []
        assert "app" in await text(workspace, shell("id -un"))
        assert len((await text(workspace, shell("cat /etc/passwd"))).splitlines()) == 3

    async def test_no_logins_of_the_system(self, workspace):
        """Whatever the machine keeps them in: what is not on the list is not there."""
        own = {"passwd", "group", "hosts", "resolv.conf", "nsswitch.conf"}
        seen = set((await text(workspace, shell("ls -A /etc"))).split())
        assert seen <= own | {name.partition("/")[0] for name in SYSTEM_ETC}
        files = "/etc/pip.conf /etc/npmrc /usr/etc/npmrc /usr/local/etc/npmrc /etc/gitconfig /etc/apt /etc/apache2 /etc/ssl/private"
        assert (await output(workspace, shell(f"ls -d {files} 2>/dev/null")))[1] == []

    async def test_only_its_own_processes(self, workspace):
        assert len((await text(workspace, shell("ls -d /proc/[0-9]*"))).split()) <= 4

    async def test_the_certificates(self, workspace):
        assert (
            await output(
                workspace, shell("test -s /etc/ssl/certs/ca-certificates.crt && test -r $(readlink -f /etc/ssl/certs/*.0 | head -1)")
            )
        )[0].ok

    async def test_no_open_descriptors(self, workspace):
        assert (await text(workspace, shell("ls /proc/self/fd"))).split() == ["0", "1", "2", "3"]


class TestWhatItMayDo:
    async def test_it_has_no_rights_and_gains_none(self, workspace):
        status = await text(workspace, shell("cat /proc/self/status"))
        for line in ("CapEff:\t0000000000000000", "CapPrm:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1"):
            assert line in status
        assert not (
            await output(
                workspace, shell("unshare --user true 2>/dev/null || mount -t tmpfs x /tmp 2>/dev/null || ip link add x type dummy")
            )
        )[0].ok
        assert (await text(workspace, shell("ulimit -c"))) == "0\n"

    async def test_what_it_asks_of_the_kernel_is_filtered(self, workspace):
        exit_, lines = await output(workspace, Step(("python3", "-c", PROBE), ENVIRONMENT))
        assert exit_.ok, lines
        assert outcomes(lines) == EXPECTED

    async def test_programs_for_another_kind_of_machine_are_filtered_too(self, workspace):
        """With the numbers of 32 bits there would be a way past the filter."""
        # getpid as i386 has it, by the instruction of its own: mov eax, 20; int 0x80; ret
        assert await text(workspace, Step(("python3", "-c", OTHER_NUMBERS), ENVIRONMENT)) == "-38\n"

    async def test_an_app_is_not_another_and_not_the_panel(self, builder, launcher):
        uids = set()
        for app in (make_app(), make_app()):
            async with builder.workspace(app, LIMITS) as workspace:
                uids.add(int(await text(workspace, shell("id -u"))))
            assert launcher.uid_base + app.number in uids
        assert len(uids) == 2


class TestNetwork:
    async def test_a_step_has_none_unless_it_asks(self, workspace):
        assert "eth0" not in await text(workspace, shell("cat /proc/net/dev"))
        assert "eth0" in await text(workspace, shell("cat /proc/net/dev", network=True))

    async def test_the_host_is_out_of_reach(self, workspace, host_service):
        gateway = (await text(workspace, shell("ip route show default | cut -d' ' -f3", network=True))).strip()
        for address in ("127.0.0.1", host_address(), gateway, "10.0.2.2"):
            assert not await reaches(workspace, address, host_service), address

    async def test_private_and_metadata_addresses_are_out_of_reach(self, workspace):
        for address in ("169.254.169.254", "10.255.255.1", "172.17.0.1", "192.168.1.1", "100.64.0.1"):
            assert not await reaches(workspace, address, 80), address

    async def test_names_are_resolved_and_the_registry_answers(self, workspace):
        environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ} | dict.fromkeys(CA_VARIABLES, CA_BUNDLE)
        script = "python3 -m venv /tmp/v && /tmp/v/bin/pip download -q --no-deps --no-cache-dir -d /tmp iniconfig"
        exit_, lines = await output(workspace, shell(script, network=True, environment=environment))
        assert exit_.ok, lines

    async def test_two_sandboxes_do_not_reach_each_other(self, builder):
        async with builder.workspace(make_app(), LIMITS) as one, builder.workspace(make_app(), LIMITS) as two:
            listening = one.read(
                shell("ip -o -4 addr show eth0 | tr -s ' ' | cut -d' ' -f4 | cut -d/ -f1; exec python3 -m http.server 9000", network=True)
            )
            address = (await anext(listening)).decode().strip()
            assert not await reaches(two, address, 9000)
            await listening.aclose()

    async def test_it_cannot_take_another_address(self, workspace):
        assert not (await output(workspace, shell("ip addr add 10.1.1.1/24 dev eth0 2>/dev/null", network=True)))[0].ok
