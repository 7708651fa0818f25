# SPDX-License-Identifier: BSD-3-Clause
"""The sandbox of a server for virtual machines, tested by trying to get out (see sandbox_probe.c)."""
import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

import pytest

from guest import BUILD, THREAD_SANITIZER

PROBE = BUILD / "tests" / "vm" / "sandbox_probe"
SECONDS = 60
NOBODY = 65534
SUBORDINATE = 100000

MODES = ("namespace", "chroot", "none")
SECRET = "/etc/passwd"

# What reaches a file of the host when the share's file system is the host's, and handles are on.
BY_HANDLE = {"handle-outside"}
# Devices can be made and opened where there is no mount of our own to forbid it.
DEVICES = {"device"}
# Without a sandbox, whoever runs code in the server has the server's rights on files.
FILES = {
    "open-absolute", "open-dotdot", "open-dotdot-descriptors",
    "proc-other-root", "proc-own-root", "proc-other-environ", "proc-sys", "proc-write",
}  # fmt: skip
# Ways out that namespaces, chroot and capabilities close by themselves, without a filter.
WAYS_OUT = FILES | {
    "chroot-saved-root", "mount", "remount", "fsopen", "umount", "setns", "unshare-mounts",
    "execve", "execve-self", "ptrace", "process-vm-readv", "capset", "bpf",
    "ioctl-tiocsti", "ioctl-tiocsti-disguised",
}  # fmt: skip

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(THREAD_SANITIZER, reason="ThreadSanitizer makes system calls of its own"),
    pytest.mark.skipif(not PROBE.exists(), reason="no libcap-ng and libseccomp: not built"),
]


@pytest.fixture
def share():
    """A folder that everybody may use."""
    area = pathlib.Path(tempfile.mkdtemp(prefix="fb-sandbox-"))
    area.chmod(0o755)
    folder = area / "share"
    folder.mkdir()
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(area)


def as_nobody():
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]


@pytest.fixture(params=["root", "user"])
def who(request):
    """The words in front of a command that run it as root, and as an ordinary user."""
    return [] if request.param == "root" else as_nobody()


def run(share, *options, prefix=(), ok=True):
    command = [*prefix, PROBE, *options, share, SECRET]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL
    )
    if ok:
        assert done.returncode == 0, done.stderr
    return done


def outcome(share, *options, prefix=()):
    """What each attempt, or each work, has come to."""
    lines = run(share, *options, prefix=prefix).stdout.splitlines()
    assert lines
    return dict(line.split(": ", 1) for line in lines)


def allowed(*arguments, **options):
    return {name for name, end in outcome(*arguments, **options).items() if end == "ALLOWED"}


# ---- getting out ---------------------------------------------------------------------------------


@pytest.mark.parametrize("handles", [True, False])
def test_nothing_leads_out_of_the_namespaces(share, handles):
    options = [] if handles else ["--no-handles"]
    assert allowed(share, *options) <= (BY_HANDLE if handles else set())


def test_nothing_leads_out_of_the_namespaces_of_a_user(share):
    assert not allowed(share, prefix=as_nobody())


@pytest.mark.parametrize("handles", [True, False])
def test_chroot_leaves_devices(share, handles):
    options = [] if handles else ["--no-handles"]
    got = allowed(share, "--sandbox=chroot", *options)
    assert got <= DEVICES | (BY_HANDLE if handles else set())


def test_no_sandbox_leaves_files(share):
    assert allowed(share, "--sandbox=none") <= FILES | DEVICES | BY_HANDLE


def test_without_a_sandbox_the_attempts_succeed(share):
    """Or else they would prove nothing."""
    got = outcome(share, "--sandbox=none", "--seccomp=none")
    for name in ("open-absolute", "open-dotdot", "open-dotdot-descriptors", "proc-sys", "device",
                 "fork", "execve", "kill", "socket-inet", "keyctl", "io-uring"):  # fmt: skip
        assert got[name] == "ALLOWED", name


def test_without_a_filter_namespaces_hold(share, who):
    assert not allowed(share, "--seccomp=none", prefix=who) & WAYS_OUT


def test_without_a_filter_chroot_holds(share):
    assert not allowed(share, "--sandbox=chroot", "--seccomp=none") & WAYS_OUT


def test_processes_of_the_host_are_out_of_sight(share, who):
    got = outcome(share, "--seccomp=none", prefix=who)
    for name in ("kill", "tgkill", "ptrace", "pidfd-open", "process-vm-readv"):
        assert got[name] == "refused (ESRCH)", name
    assert got["network"] == "refused (ENODEV)"


def test_device_files_can_be_made_but_not_opened(share):
    assert outcome(share, "--only=device")["device"] == "refused (EACCES)"


# ---- the filter of system calls ----------------------------------------------------------------------


@pytest.mark.parametrize("action", ["kill", "trap"])
@pytest.mark.parametrize("mode", MODES)
def test_the_filter_kills(share, mode, action):
    for name in ("mount", "execve", "bpf", "ioctl-tiocsti", "ioctl-tiocsti-disguised", "int80"):
        got = outcome(share, f"--sandbox={mode}", f"--seccomp={action}", f"--only={name}")
        assert got[name] == "killed", name


def test_the_filter_can_only_log(share):
    assert outcome(share, "--seccomp=log", "--only=fork")["fork"] == "ALLOWED"


def test_handles_are_forbidden_when_they_are_not_used(share):
    assert outcome(share, "--no-handles", "--only=handle-outside")["handle-outside"] == "killed"


def test_sockets_are_for_syslog_only(share):
    assert outcome(share, "--only=socket-unix")["socket-unix"] == "refused (EACCES)"
    assert outcome(share, "--syslog", "--only=socket-unix")["socket-unix"] == "ALLOWED"
    assert outcome(share, "--syslog", "--only=socket-inet")["socket-inet"] == "killed"


# ---- work ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("handles", [True, False])
@pytest.mark.parametrize("mode", MODES)
def test_the_server_can_work(share, mode, handles):
    options = [f"--sandbox={mode}", "--work", *([] if handles else ["--no-handles"])]
    got = outcome(share, *options)
    assert set(got.values()) == {"done"}, got


def test_the_server_of_a_user_can_work(share):
    got = outcome(share, "--work", prefix=as_nobody())
    assert set(got.values()) == {"done"}, got


@contextlib.contextmanager
def subordinate_ids(share):
    """The words in front of a command that run it as a user with ids in /etc/subuid and subgid."""
    if not shutil.which("newuidmap"):
        pytest.skip("no newuidmap here: script/bootstrap test")
    if not os.path.exists("/etc/subuid") or not os.path.exists("/etc/subgid"):
        pytest.skip("no /etc/subuid and /etc/subgid here")
    table = share.parent / "subordinate"
    table.write_text(f"{NOBODY}:{SUBORDINATE}:65536\n")
    yield [
        "unshare", "--mount", "sh", "-c",
        'mount --bind "$0" /etc/subuid && mount --bind "$0" /etc/subgid && exec "$@"', table,
        *as_nobody(),
    ]  # fmt: skip


def test_the_server_of_a_user_with_many_ids(share):
    maps = [
        f"--uid-map=:0:{NOBODY}:1:", f"--uid-map=/1/{SUBORDINATE}/65536/",
        f"--gid-map=:0:{NOBODY}:1:", f"--gid-map=,1,{SUBORDINATE},65536,",
    ]  # fmt: skip
    os.chown(share, NOBODY, NOBODY)
    with subordinate_ids(share) as prefix:
        got = outcome(share, *maps, "--work", prefix=prefix)
        assert set(got.values()) == {"done"}, got
        assert not allowed(share, *maps, prefix=prefix)
    owners = {path.stat().st_uid for path in share.rglob("*")}
    assert owners == {NOBODY, SUBORDINATE + 1000 - 1}


def test_ids_that_are_not_allotted_are_refused(share):
    with subordinate_ids(share) as prefix:
        done = run(share, "--uid-map=:0:200000:10:", "--work", prefix=prefix, ok=False)
    assert done.returncode != 0
    assert "/etc/subuid" in done.stderr


@pytest.mark.parametrize("rule", ["", "0:1:1", ":0:1:1", ":0:1:0:", ":0:-1:1:", ":0:1:4294967295:",
                                  ":0:1:1:1:", ":a:1:1:", ":0:1/1:"])  # fmt: skip
def test_wrong_rules_are_refused(share, rule):
    done = run(share, f"--uid-map={rule}", "--work", prefix=as_nobody(), ok=False)
    assert done.returncode != 0
    assert "a rule is :inside:outside:count:" in done.stderr


def test_rules_are_for_users_in_namespaces(share):
    done = run(share, "--uid-map=:0:0:1:", ok=False)
    assert "only for ordinary users" in done.stderr
    done = run(share, "--sandbox=none", "--uid-map=:0:0:1:", prefix=as_nobody(), ok=False)
    assert "only with --sandbox=namespace" in done.stderr


def test_chroot_is_for_root(share):
    done = run(share, "--sandbox=chroot", prefix=as_nobody(), ok=False)
    assert "for root only" in done.stderr


def test_a_file_can_be_shared(share, who):
    file = share / "file"
    file.touch()
    assert not allowed(file, "--no-handles", prefix=who)
    with server(file, prefix=who) as (_, child):
        root = pathlib.Path(f"/proc/{child}/root")
        assert os.listdir(root) == ["file"]
        assert (root / "file").stat().st_ino == file.stat().st_ino
    assert "use --sandbox=namespace for a file" in run(file, "--sandbox=chroot", ok=False).stderr


# ---- the processes -----------------------------------------------------------------------------------


def child_of(pid):
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children")
    if children.exists():
        return int(children.read_text())
    return int(subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout)


def is_alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def wait_until_gone(pid):
    end = time.monotonic() + 10
    while is_alive(pid) and time.monotonic() < end:
        time.sleep(0.01)
    return not is_alive(pid)


@contextlib.contextmanager
def server(share, *options, prefix=()):
    """A server in its sandbox that waits; the process that was started, and the server's number."""
    process = subprocess.Popen(
        [*prefix, PROBE, "--sleep", *options, share, SECRET],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout.readline() == "ready\n", process.stderr.read()
        in_child = not any(option in ("--sandbox=chroot", "--sandbox=none") for option in options)
        yield process, child_of(process.pid) if in_child else process.pid
    finally:
        process.kill()
        process.communicate(timeout=SECONDS)


def status(pid):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return {key: value.strip() for key, value in (line.split(":", 1) for line in lines)}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_reach_the_server(share, who, number):
    with server(share, prefix=who) as (process, child):
        process.send_signal(number)
        assert process.wait(10) == 42
        assert not is_alive(child)


def test_the_terminal_does_not_reach_the_server(share):
    """Ctrl-C comes through the parent, and once."""
    with server(share) as (process, child):
        assert os.getsid(child) == child != os.getsid(process.pid)


def test_ignored_signals_stay_ignored(share):
    with server(share, prefix=["nohup"]) as (process, child):
        process.send_signal(signal.SIGHUP)
        time.sleep(0.2)
        assert process.poll() is None
        assert is_alive(child)


def test_the_server_dies_with_its_parent(share, who):
    with server(share, prefix=who) as (process, child):
        process.kill()
        process.wait(10)
        assert wait_until_gone(child)


def test_the_end_of_the_server_is_told(share):
    with server(share) as (process, child):
        os.kill(child, signal.SIGKILL)
        assert process.wait(10) == 128 + signal.SIGKILL
        assert "killed by signal 9" in process.stderr.read()


def capabilities_of(pid):
    about = status(pid)
    return {about[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")}


def test_the_parent_holds_nothing(share, who):
    with server(share, prefix=who) as (process, _):
        assert status(process.pid)["NoNewPrivs"] == "1"
        # It lets go after the fork, when the server may have said already that it is ready.
        end = time.monotonic() + 10
        while capabilities_of(process.pid) != {"0" * 16} and time.monotonic() < end:
            time.sleep(0.01)
        assert capabilities_of(process.pid) == {"0" * 16}
        assert sorted(os.listdir(f"/proc/{process.pid}/fd")) == ["0", "1", "2"]
        # But it finds the socket's path.
        assert os.path.samefile(f"/proc/{process.pid}/root", "/")


def test_the_server_sees_the_share_alone(share, who):
    (share / "below").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "dev,suid", "x", share / "below"], check=True)
    try:
        with server(share, prefix=who) as (_, child):
            mounts = pathlib.Path(f"/proc/{child}/mountinfo").read_text().splitlines()
            assert [line.split()[4] for line in mounts] == ["/", "/below"]
            for line in mounts:
                assert {"nosuid", "nodev"} <= set(line.split()[5].split(",")), line
            assert os.path.samefile(f"/proc/{child}/root", share)
            assert os.path.samefile(f"/proc/{child}/cwd", share)
            for kind in ("mnt", "pid", "net"):
                inside = os.readlink(f"/proc/{child}/ns/{kind}")
                assert inside != os.readlink(f"/proc/self/ns/{kind}")
    finally:
        subprocess.run(["umount", share / "below"], check=True)
    assert str(share) not in pathlib.Path("/proc/self/mountinfo").read_text()


@pytest.mark.parametrize("mode", MODES)
def test_groups_of_who_started_it_are_left(share, mode):
    prefix = ["setpriv", "--groups=1,2,3"]
    with server(share, f"--sandbox={mode}", prefix=prefix) as (_, child):
        assert status(child)["Groups"] == ""


# ---- capabilities --------------------------------------------------------------------------------------

CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER, FSETID = 0, 1, 2, 3, 4
SETGID, SETUID, SETPCAP, MKNOD, SYS_ADMIN, SETFCAP = 6, 7, 8, 27, 21, 31
KEPT = {CHOWN, DAC_OVERRIDE, FOWNER, FSETID, SETGID, SETUID, MKNOD, SETFCAP}


def capabilities(text):
    return {i for i in range(64) if int(text, 16) >> i & 1}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ([], KEPT | {DAC_READ_SEARCH}),
        (["--no-handles"], KEPT),
        (["--modcaps=+sys_admin:-CHOWN"], KEPT - {CHOWN} | {SYS_ADMIN, DAC_READ_SEARCH}),
        (["--modcaps=+CAP_Sys_Admin:-sys_admin"], KEPT | {DAC_READ_SEARCH}),
        (["--no-handles", "--modcaps=-dac_read_search:-mknod"], KEPT - {MKNOD}),
    ],
)
def test_capabilities(share, mode, options, kept):
    has = capabilities(status("self")["CapPrm"])
    if SETPCAP not in has:
        pytest.skip("who may not give capabilities up keeps the bounding set")
    with server(share, f"--sandbox={mode}", *options) as (_, child):
        about = status(child)
        assert capabilities(about["CapPrm"]) == kept & has
        assert capabilities(about["CapEff"]) == kept & has
        assert {about[name] for name in ("CapInh", "CapBnd", "CapAmb")} == {"0" * 16}
        assert about["NoNewPrivs"] == "1"
        assert about["Seccomp"] == "2"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("+no_such", "'+no_such' is not a capability"),
        ("chown", "'chown' is not a capability"),
        ("+", "'+' is not a capability"),
        ("", "'' is not a capability"),
        ("+chown:", "'' is not a capability"),
        ("-dac_read_search", "use --inode-file-handles=never"),
    ],
)
def test_wrong_capabilities_are_refused(share, words, said):
    done = run(share, f"--modcaps={words}", "--work", ok=False)
    assert done.returncode != 0
    assert said in done.stderr


def test_capabilities_that_are_not_there_are_refused(share):
    prefix = ["setpriv", "--bounding-set=-sys_time", "--inh-caps=-all"]
    done = run(share, "--modcaps=+sys_time", "--only=fork", prefix=prefix, ok=False)
    assert done.returncode != 0
    assert "does not have this capability" in done.stderr


def test_what_is_not_there_is_done_without(share):
    """A container's root lacks some: then those that it has are kept."""
    prefix = ["setpriv", "--bounding-set=-dac_read_search,-mknod", "--inh-caps=-all"]
    got = outcome(share, "--work", prefix=prefix)
    assert got["file"] == got["caller"] == "done"


def test_a_container_without_namespaces_is_told_so(share):
    prefix = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-all"]
    done = run(share, "--work", prefix=prefix, ok=False)
    assert done.returncode != 0
    assert "use --sandbox=chroot" in done.stderr
    done = run(share, "--sandbox=chroot", "--work", "--only=file", prefix=prefix)
    assert done.stdout == "file: done\n"
    assert "keeps a descriptor of the host's /proc" in done.stderr
