# SPDX-License-Identifier: BSD-3-Clause
"""fbfsd as its users meet it: command line, start and end, messages."""
import ctypes
import errno
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess

import pytest

import transport
from conftest import (
    NOBODY, ROOT, SECONDS, kill, mount_entry, processes_of, servers_of, wait_until,
)  # fmt: skip

pytestmark = pytest.mark.usefixtures("watchdog")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


# ---- one table, many readers -----------------------------------------------------------------------


def test_help_lists_every_option(run, options):
    done = run("--help")
    assert done.returncode == 0 and done.stderr == ""
    assert len(options) > 50
    for option in options:
        if option.only_after_o:
            assert all(re.search(rf"[ |]{name}[|= \n]", done.stdout) for name in option.names)
        else:
            off = r"\[no-\]" if option.can_be_off else ""
            assert re.search(rf" --{off}{option.names[0]}[= \[\n]", done.stdout), option.names
        if option.letter:
            assert f"-{option.letter}, --{option.names[0]}" in done.stdout


def test_help_fits_a_screen_of_100_columns(run):
    assert all(len(line) <= 100 for line in run("-h").stdout.splitlines())


def test_man_page_has_every_option_and_no_other(options):
    page = (ROOT / "daemon" / "fbfsd.8.scd").read_text()
    plain = page.replace("\\", "")
    for option in options:
        if option.only_after_o:
            assert all(f"*{name}*" in plain for name in option.names), option.names
        else:
            off = "[no-]" if option.can_be_off else ""
            spelling = f"*--{off}{option.names[0]}*"
            value = option.argument or ""
            if value.startswith("[="):
                spelling += f"[=_{value[2:-1]}_]"
            elif value:
                spelling += f"=_{value}_"
            assert spelling in plain, spelling
    known = {name for option in options for name in option.names}
    for name in re.findall(r"^\*--(?:\[no-\])?([a-z0-9-]+).*\n\t", plain, re.M):
        assert name in known, name


def test_man_pages_of_the_library_name_every_function():
    script = ROOT / "libfb" / "man" / "check_man.sh"
    done = subprocess.run([script], capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "header, struct, page",
    [
        ("session.h", "fb_session_options", "fb_session"),
        ("dev_fuse.h", "fb_mount_options", "fb_mount"),
        ("loopback.h", "fb_loopback_options", "fb_loopback"),
        ("passthrough.h", "fb_passthrough_options", "fb_passthrough"),
    ],
)
def test_man_pages_name_every_field_of_the_options(header, struct, page):
    text = (ROOT / "libfb" / "include" / "libfb" / header).read_text()
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    body = re.search(rf"struct {struct} {{(.*?)\n}};", text, re.S)[1]
    fields = re.findall(r"(\w+)\s*[,;]", body)
    described = (ROOT / "libfb" / "man" / f"{page}.3.scd").read_text().replace("\\", "")
    assert len(fields) > 3
    assert [field for field in fields if f"_{field}_" not in described] == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_every_option(run, options, shell):
    script = run("--print-completion", shell).stdout
    for option in options:
        for spelling in option.spellings:
            pattern = f"-l {spelling[2:]} " if shell == "fish" else rf"{spelling}[= \[}}']"
            assert re.search(pattern, script), spelling
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed: its syntax check was left out")
    done = subprocess.run(
        [shell, "-n"], input=script, capture_output=True, text=True, timeout=SECONDS
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "words, expected",
    [
        (["fbfsd", "--cac"], ["--cache="]),
        (["fbfsd", "--cache", "=", "a"], ["auto", "always"]),
        (["fbfsd", "--cache", "="], ["auto", "always", "metadata", "never"]),
        (["fbfsd", "--no-kern"], ["--no-kernel-passthrough"]),
    ],
)
def test_bash_completes(run, words, expected):
    quoted = " ".join(f"'{word}'" for word in words)
    script = run("--print-completion", "bash").stdout
    script += f"\ncompopt() {{ :; }}\nCOMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}\n"
    script += '_fbfsd; printf "%s\\n" "${COMPREPLY[@]}"\n'
    done = subprocess.run(
        ["bash"], input=script, capture_output=True, text=True, timeout=SECONDS
    )
    assert done.stdout.split() == expected, done.stderr


def test_version(run):
    assert re.fullmatch(r"fbfsd \d+\.\d+\.\d+\n", run("--version").stdout)
    assert run("-V").returncode == 0


def test_help_to_a_full_disk_fails(fbfsd):
    with open("/dev/full", "w") as full:
        done = subprocess.run([fbfsd, "--help"], stdout=full, timeout=SECONDS)
    assert done.returncode == 2


# ---- what can be wrong -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words, says",
    [
        ([], "SOURCE is missing"),
        (["src"], "MOUNTPOINT is missing"),
        (["src", "mnt", "more"], "'more' is one argument too many"),
        (["--bogus", "src", "mnt"], "unknown option --bogus"),
        (["-x", "src", "mnt"], "unknown option -x"),
        (["--socket-path=s", "src", "mnt"], "'mnt': with --socket-path or --fd nothing is mounted"),
        (["-o", "bogus", "src", "mnt"], "unknown option -o bogus"),
        (["-o", "ro,bogus=1", "src", "mnt"], "unknown option -o bogus=1"),
        (["--cache=some", "src", "mnt"], "--cache: 'some' is none of auto, always, metadata, never"),
        (["-o", "cache=some", "src", "mnt"], "-o cache: 'some' is none of auto, always"),
        (["-o", "cache", "src", "mnt"], "-o cache needs a value"),
        (["src", "mnt", "--cache"], "--cache needs a value"),
        (["--inode-file-handles=x", "src", "mnt"], "'x' is none of prefer, never, mandatory"),
        (["--log-level=loud", "src", "mnt"], "'loud' is none of off, error, warn, info"),
        (["--xattr=yes", "src", "mnt"], "--xattr=yes: the option takes no value"),
        (["-o", "no_xattr=1", "src", "mnt"], "-o no_xattr takes no value"),
        (["--entry-timeout=-1", "src", "mnt"], "'-1' is no number of seconds"),
        (["--attr-timeout=1s", "src", "mnt"], "'1s' is no number of seconds"),
        (["--negative-timeout=", "src", "mnt"], "the value is empty"),
        (["-o", "timeout=x", "src", "mnt"], "'x' is no number of seconds"),
        (["--threads=0", "src", "mnt"], "--threads: '0' is no number from 1 to 1024"),
        (["--threads=9", "--max-threads=3", "src", "mnt"], "--threads=9 is more than"),
        (["--max-write=1", "src", "mnt"], "is no size in bytes from 4096 to 16777216"),
        (["-o", "max_read=1", "src", "mnt"], "-o max_read: '1' is no number of bytes"),
        (["-o", "allow_root", "src", "mnt"], "use allow_other"),
        (["-o", "rootmode=40000", "src", "mnt"], "-o rootmode: fbfsd sets it itself"),
        (["--posix-acl", "--no-xattr", "src", "mnt"], "--posix-acl needs --xattr"),
        (["--security-label", "--no-xattr", "src", "mnt"],
         "--security-label needs --xattr: leave --no-xattr out"),
        (["-o", "selinux,no_xattr", "src", "mnt"], "--security-label needs --xattr"),
        (["--writeback", "--cache=never", "src", "mnt"], "--writeback needs a cache"),
        (["--print-completion", "tcsh"], "'tcsh' is none of bash, zsh, fish"),
    ],
)
def test_wrong_usage(run, words, says):
    done = run(*words)
    assert done.returncode == 1
    assert says in done.stderr
    assert done.stderr.startswith("fbfsd: ") and done.stderr.count("\n") == 1


@pytest.mark.parametrize("where", ["background", "foreground"])
@pytest.mark.parametrize(
    "words, says",
    [
        (["nowhere", "mnt"], "source nowhere does not exist"),
        (["/dev/null", "mnt"], "source /dev/null is not a directory"),
        (["src", "nowhere"], "mountpoint nowhere does not exist.*mkdir|mkdir"),
        (["src", "src/file"], "mountpoint src/file is not a directory"),
        (["src/file", "mnt"], "mountpoint mnt is not a regular file, but source src/file is"),
        (["--trace=no/where", "src", "mnt"], "--trace=no/where: No such file"),
    ],
)
def test_wrong_places(run, words, says, where):
    done = run(*(["-f"] if where == "foreground" else []), *words)
    assert done.returncode == 32
    lines = done.stderr.splitlines()
    assert re.search(says, lines[-1]) and lines[-1].startswith("fbfsd: "), lines
    # In the foreground, what the driver found out may come first.
    assert len(lines) == 1 or where == "foreground"


def test_a_failure_is_told_even_when_messages_are_off(run):
    done = run("--log-level=off", "src", "nowhere")
    assert done.returncode == 32 and "nowhere" in done.stderr


def test_busy_mountpoint(mount, run, area):
    with mount():
        done = run(area / "src", area / "mnt")
        assert done.returncode == 32
        assert "is busy" in done.stderr and "fusermount3 -u" in done.stderr
        # A live mount is not what --replace is for.
        assert run("--replace", area / "src", area / "mnt").returncode == 32


@needs_root
def test_missing_dev_fuse(fbfsd, area):
    script = 'mount -t tmpfs none /dev && mknod -m 666 /dev/null c 1 3 && exec "$@"'
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", fbfsd, area / "src", area / "mnt"],
        capture_output=True, text=True, timeout=SECONDS,
    )  # fmt: skip
    assert done.returncode == 32
    assert "/dev/fuse" in done.stderr and "modprobe fuse" in done.stderr


@needs_root
def test_missing_fusermount(fbfsd, area, serves_as_nobody):
    program = os.path.realpath(shutil.which("fusermount3") or "/usr/bin/fusermount3")
    if not os.path.exists(program):
        pytest.skip("no fusermount3 here to hide")
    script = 'mount --bind /dev/null "$1" && shift && exec "$@"'
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", program, *serves_as_nobody, fbfsd, area / "src", area / "mnt"],
        capture_output=True, text=True, timeout=SECONDS,
    )  # fmt: skip
    assert done.returncode == 32
    assert "fusermount3" in done.stderr and "fuse3" in done.stderr


@needs_root
def test_allow_other_needs_permission(run, serves_as_nobody, users_mount):
    conf = pathlib.Path("/etc/fuse.conf")
    if conf.exists() and re.search(r"^\s*user_allow_other", conf.read_text(), re.M):
        pytest.skip("/etc/fuse.conf has user_allow_other")
    done = run("-o", "allow_other", "src", "mnt", prefix=serves_as_nobody)
    assert done.returncode == 32
    assert "user_allow_other" in done.stderr and "/etc/fuse.conf" in done.stderr


@needs_root
def test_a_user_without_access_to_the_mountpoint(run, area, serves_as_nobody, users_mount):
    os.chown(area / "mnt", 0, 0)
    done = run("src", "mnt", prefix=serves_as_nobody)
    assert done.returncode == 32
    assert "mnt" in done.stderr and done.stderr.count("\n") == 1


@needs_root
def test_too_many_descriptors_wanted(run, serves_as_nobody):
    done = run("--rlimit-nofile=1073741824", "src", "mnt", prefix=serves_as_nobody)
    assert done.returncode == 32
    assert "--rlimit-nofile=1073741824" in done.stderr and "are allowed" in done.stderr


# ---- start -----------------------------------------------------------------------------------------


def test_background_start_returns_once_the_mount_answers(mount, area):
    with mount() as mounted:
        assert (area / "mnt" / "file").read_text() == "content\n"
        assert mounted.entry["type"] == "fuse.fbfsd"
        assert mounted.entry["source"] == str(area / "src")
        assert {"rw", "nosuid", "nodev", "default_permissions"} <= mounted.entry["options"]
        process = pathlib.Path("/proc") / str(mounted.pid)
        assert os.readlink(process / "cwd") == "/"
        assert [os.readlink(process / "fd" / str(fd)) for fd in range(3)] == ["/dev/null"] * 3
        assert os.getsid(mounted.pid) == mounted.pid


def test_background_start_lets_go_of_the_callers_descriptors(fbfsd, mount, area):
    ours, theirs = os.pipe()
    os.set_inheritable(theirs, True)
    done = subprocess.run(
        [fbfsd, transport.word(), area / "src", area / "mnt"], pass_fds=[theirs], capture_output=True, timeout=SECONDS
    )
    os.close(theirs)
    with mount() if done.returncode else Adopted(mount()):
        os.set_blocking(ours, False)
        assert os.read(ours, 1) == b""  # and not: would block
    os.close(ours)


class Adopted:
    """A mount that somebody else has started, with the usual end."""

    def __init__(self, mounted):
        self.mounted = mounted

    def __enter__(self):
        return self.mounted

    def __exit__(self, *error):
        return self.mounted.__exit__(*error)


def test_closed_standard_descriptors(fbfsd, mount, area):
    script = 'exec "$@" <&- >&- 2>&-'
    done = subprocess.run(
        ["sh", "-c", script, "sh", fbfsd, transport.word(), area / "src", area / "mnt"], timeout=SECONDS
    )
    assert done.returncode == 0
    with Adopted(mount()):
        assert (area / "mnt" / "file").read_text() == "content\n"


def test_relative_paths(mount, area):
    with mount(cwd=area, source="src", path="mnt") as mounted:
        assert (area / "mnt" / "file").read_text() == "content\n"
        assert mounted.entry["source"] == str(area / "src")


def test_odd_names(mount, area):
    source, path = area / "a, b\\c", area / "x,\ty"
    source.mkdir()
    path.mkdir()
    (source / "inside").touch()
    with mount(source=source, path=path):
        assert os.listdir(path) == ["inside"]


def test_a_file_on_a_file(mount, area):
    target = area / "target"
    target.touch()
    with mount(source=area / "src" / "file", path=target):
        assert target.read_text() == "content\n"


def test_a_mountpoint_in_its_source_is_warned_of(mount, area):
    (area / "src" / "sub").mkdir()
    with mount(path=area / "src" / "sub") as mounted:
        assert "warning" in mounted.output and "lies in source" in mounted.output


def test_foreground(mount, area):
    with mount("-f") as mounted:
        assert (area / "mnt" / "file").read_text() == "content\n"
        assert f"serving {area}/src on {area}/mnt" in mounted.messages()
    assert mounted.process.returncode == 0


@pytest.mark.parametrize(
    "arguments, has, has_not",
    [
        (["-o", "ro"], {"ro"}, {"rw"}),
        (["-o", "ro,rw"], {"rw"}, {"ro"}),
        (["--readonly"], {"ro"}, set()),
        (["-o", "no_default_permissions"], set(), {"default_permissions"}),
        (["-o", "noexec,noatime"], {"noexec", "noatime"}, set()),
        (["-o", "max_read=65536"], {"max_read=65536"}, set()),
        (["-o", "defaults,user=me,nofail,_netdev,x-systemd.automount,comment=a"], {"rw"}, set()),
    ],
)
def test_mount_options(mount, arguments, has, has_not):
    with mount(*arguments) as mounted:
        assert has <= mounted.entry["options"] and not has_not & mounted.entry["options"]


@needs_root
def test_suid_and_dev_can_be_allowed(mount):
    with mount("-o", "suid,dev,allow_other") as mounted:
        assert "allow_other" in mounted.entry["options"]
        assert not {"nosuid", "nodev"} & mounted.entry["options"]


def test_readonly_refuses_writes(mount, area):
    with mount("-o", "ro"):
        with pytest.raises(OSError) as caught:
            (area / "mnt" / "new").touch()
        assert caught.value.errno == errno.EROFS


def test_names_of_the_mount(mount):
    with mount("-o", "fsname=a,,b,subtype=mine") as mounted:
        assert mounted.entry["source"] == "a,b"
        assert mounted.entry["type"] == "fuse.mine"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--nocache", "--nosplice", "--nopassthrough", "--single", "--clone-fd"],
        ["--direct-io", "--num-threads=3", "--debug-fuse"],
        ["-o", "writeback,flock,no_xattr,posix_lock,timeout=0.5,cache=always,no_readdirplus"],
        ["-o", "clone_fd,max_threads=8,max_idle_threads=4,auto_unmount"],
        ["-s", "--cache=Metadata", "--inode-file-handles=never"],
        ["--cache=never", "--allow-mmap", "--killpriv-v2", "--preserve-noatime"],
        ["--entry-timeout=0", "--attr-timeout=.25", "--negative-timeout=1e", "--cache=none"][:2],
    ],
    ids=lambda arguments: " ".join(arguments)[:40],
)
def test_spellings_of_others(mount, area, arguments):
    with mount(*arguments):
        assert (area / "mnt" / "file").read_text() == "content\n"
        (area / "mnt" / "new").write_text("new\n")
        assert (area / "src" / "new").read_text() == "new\n"


def test_source_as_an_option(fbfsd, mount, area):
    done = subprocess.run(
        [fbfsd, transport.word(), "-o", f"source={area}/src,no_flock", area / "mnt"], timeout=SECONDS
    )
    assert done.returncode == 0
    with Adopted(mount()):
        assert (area / "mnt" / "file").read_text() == "content\n"


@needs_root
def test_a_user_mounts_through_fusermount(mount, area, serves_as_nobody, users_mount):
    with mount(prefix=serves_as_nobody) as mounted:
        assert f"user_id={NOBODY}" in mounted.entry["options"]
        done = subprocess.run(
            [*serves_as_nobody, "cat", area / "mnt" / "file"], capture_output=True, timeout=SECONDS
        )
        assert done.stdout == b"content\n"
        subprocess.run([*serves_as_nobody, "fusermount3", "-u", area / "mnt"], check=True, timeout=SECONDS)


@needs_root
@pytest.mark.parametrize("option", ["default_permissions", "no_default_permissions"])
def test_modes_count_for_other_users(mount, area, as_nobody, option):
    (area / "src" / "secret").write_text("secret\n")
    (area / "src" / "secret").chmod(0o600)
    with mount("-o", f"allow_other,{option}"):
        command = [*as_nobody, "cat", area / "mnt" / "secret"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
        assert done.returncode != 0 and "Permission denied" in done.stderr
        command = [*as_nobody, "touch", area / "mnt" / "theirs"]
        subprocess.run(command, check=True, timeout=SECONDS)
        assert (area / "src" / "theirs").stat().st_uid == NOBODY
        assert (area / "mnt" / "secret").read_text() == "secret\n"


@needs_root
@pytest.mark.parametrize("arguments", [[], ["-f"]], ids=["background", "foreground"])
def test_groups_of_whoever_starts_it_are_dropped(mount, arguments):
    with mount(*arguments, prefix=["setpriv", "--groups=4243,4244"]) as mounted:
        tasks = (pathlib.Path("/proc") / str(mounted.pid) / "task").iterdir()
        texts = [(task / "status").read_text() for task in tasks]
        assert len(texts) > 1
        assert {re.search(r"^Groups:(.*)", text, re.M)[1].strip() for text in texts} == {""}


def open_files_limit(pid):
    """The soft limit of open files of a process."""
    text = (pathlib.Path("/proc") / str(pid) / "limits").read_text()
    return int(re.search(r"^Max open files +(\d+)", text, re.M)[1])


@pytest.mark.parametrize("count", [300, 1024, 4096])
def test_limit_of_descriptors(mount, area, count):
    with mount(f"--rlimit-nofile={count}") as mounted:
        assert (area / "mnt" / "file").read_text() == "content\n"
        assert open_files_limit(mounted.pid) == count


def test_limit_of_descriptors_is_left_alone(mount):
    with mount("--rlimit-nofile=0", prefix=["prlimit", "--nofile=700:900"]) as mounted:
        assert open_files_limit(mounted.pid) == 700


# ---- end -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda s: s.name)
@pytest.mark.parametrize("arguments", [[], ["-f"]], ids=["background", "foreground"])
def test_signals_unmount(mount, arguments, sign):
    with mount(*arguments) as mounted:
        os.kill(mounted.pid, sign)
        assert wait_until(lambda: not mounted.is_served())
        assert not mounted.entry
    if mounted.process:
        assert mounted.process.returncode == 0


def test_a_signal_while_a_client_holds_a_file(mount, area):
    with mount() as mounted:
        with open(area / "mnt" / "file") as held:
            os.kill(mounted.pid, signal.SIGTERM)
            assert wait_until(lambda: not mounted.is_served())
            assert not mounted.entry
            assert not held.closed


@needs_root
def test_an_aborted_connection_ends_the_server(mount, area):
    with mount("-f") as mounted:
        subprocess.run(["umount", "-f", area / "mnt"], check=True, timeout=SECONDS)
        assert wait_until(lambda: not mounted.is_served())
    assert mounted.process.returncode == 0


def test_a_source_mounted_on_itself(mount, area):
    with mount(path=area / "src"):
        assert (area / "src" / "file").read_text() == "content\n"
        (area / "src" / "new").touch()
    assert (area / "src" / "new").exists()


@needs_root
def test_a_killed_server_is_replaced(mount, run, area):
    with mount() as mounted:
        os.kill(mounted.pid, signal.SIGKILL)
        assert wait_until(lambda: not mounted.is_served())

        def is_dead():
            """A request on its way when the server goes hears something else; later ones, ENOTCONN."""
            with pytest.raises(OSError) as caught:
                os.listdir(area / "mnt")
            assert caught.value.errno in transport.GONE
            return caught.value.errno == errno.ENOTCONN

        assert wait_until(is_dead)
        done = run(area / "src", area / "mnt")
        assert done.returncode == 32
        assert "--replace" in done.stderr and "fusermount3 -u" in done.stderr
        assert done.stderr.count("\n") == 1
        with mount("--replace"):
            assert (area / "mnt" / "file").read_text() == "content\n"
        assert not mounted.entry


@needs_root
def test_a_user_replaces_a_killed_server(mount, area, serves_as_nobody, users_mount):
    with mount(prefix=serves_as_nobody) as mounted:
        os.kill(mounted.pid, signal.SIGKILL)
        assert wait_until(lambda: not mounted.is_served())
        with mount("--replace", prefix=serves_as_nobody) as again:
            assert again.entry
        assert not mounted.entry


def test_auto_unmount(mount):
    if not shutil.which("fusermount3"):
        pytest.skip("no fusermount3 here")
    if os.geteuid() != 0:
        pytest.skip("fusermount3 3.14 does not see that a user's mount is dead without allow_other")
    with mount("--auto-unmount") as mounted:
        pids = servers_of(mounted.area)
        assert len(pids) == 1
        kill(pids[0], signal.SIGKILL)
        assert wait_until(lambda: not mounted.entry)


@pytest.mark.mounts
def test_nobody_waits_for_the_start(fbfsd, area):
    """The command is interrupted before the mount answers: then there is to be no mount."""
    if not os.path.exists("/dev/fuse") or os.geteuid() != 0:
        pytest.skip("needs root and /dev/fuse")
    # The start is held up by a trace to a fifo that nobody reads yet.
    os.mkfifo(area / "fifo")
    process = subprocess.Popen(
        [fbfsd, transport.word(), f"--trace={area}/fifo", area / "src", area / "mnt"], stderr=subprocess.DEVNULL
    )
    assert wait_until(lambda: len(servers_of(area)) == 2)
    process.send_signal(signal.SIGINT)
    process.wait(SECONDS)
    with open(area / "fifo") as reader:
        assert wait_until(lambda: not servers_of(area))
        assert reader
    assert not mount_entry(area / "mnt")


# ---- statistics and traces -------------------------------------------------------------------------


def test_statistics_in_the_foreground(mount, area):
    with mount("-f") as mounted:
        (area / "mnt" / "file").read_text()
        assert not (area / "mnt" / "absent").exists()
        os.kill(mounted.pid, signal.SIGUSR1)
        assert wait_until(lambda: re.search(r"^LOOKUP .*<=", mounted.messages(), re.M))
        row = re.search(r"^LOOKUP +(\d+) +(\d+) +(\d+) +(\d+) +\d+us", mounted.messages(), re.M)
        assert int(row[1]) >= 2 and int(row[2]) >= 1
        os.kill(mounted.pid, signal.SIGUSR1)
        assert wait_until(lambda: mounted.messages().count("statistics:") == 2)


def test_statistics_to_a_file(mount, area):
    with mount("--stats-file=statistics", cwd=area, source="src", path="mnt") as mounted:
        (area / "mnt" / "file").read_text()
        os.kill(mounted.pid, signal.SIGUSR1)
        assert wait_until(lambda: (area / "statistics").exists())
        assert wait_until(lambda: re.search(r"^OPEN .*<=\d+us:1$", (area / "statistics").read_text(), re.M))


def test_trace_in_the_foreground(mount, area):
    with mount("-f", "--trace") as mounted:
        (area / "mnt" / "file").read_text()
        assert wait_until(lambda: re.search(r"OPEN.*node=", mounted.messages()))
        assert re.search(r'LOOKUP.*"file"', mounted.messages())


def test_trace_to_a_file(mount, area):
    with mount("--trace=trace", cwd=area, source="src", path="mnt"):
        (area / "mnt" / "file").read_text()
        assert wait_until(lambda: re.search(r'LOOKUP.*"file"', (area / "trace").read_text()))
        assert (area / "trace").stat().st_mode & 0o777 == 0o600


def test_debug_stays_in_the_foreground_and_traces(mount, area):
    with mount("-d") as mounted:
        (area / "mnt" / "file").read_text()
        assert wait_until(lambda: 'LOOKUP' in mounted.messages())


# In a mount namespace of its own, where /dev has nothing but our log socket and two devices.
SYSLOG_SCRIPT = """
set -e
area=$1
shift
mount -t tmpfs none /dev
mknod -m 666 /dev/null c 1 3
mknod -m 666 /dev/fuse c 10 229
ln -s "$area/log" /dev/log
"$@"
cat "$area/mnt/file"
read line
umount "$area/mnt"
"""


@needs_root
@pytest.mark.mounts
def test_background_messages_go_to_syslog(fbfsd, area):
    heard = []

    def hear(word):
        while not any(word in line for line in heard):
            heard.append(log.recv(4096).decode())

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        log.bind(str(area / "log"))
        log.settimeout(SECONDS)
        command = [fbfsd, transport.word(), "--trace", area / "src", area / "mnt"]
        process = subprocess.Popen(
            ["unshare", "-m", "sh", "-c", SYSLOG_SCRIPT, "sh", area, *command],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            hear("LOOKUP")
            assert any("serving" in line for line in heard)
            os.kill(servers_of(area)[0], signal.SIGUSR1)
            hear("statistics:")
            hear("<=")
            output, errors = process.communicate("go on\n", timeout=SECONDS)
            assert process.returncode == 0 and output == "content\n" and errors == ""
            hear("is unmounted")
        finally:
            process.kill()
            process.wait(SECONDS)
    assert all(re.match(r"<\d+>.*fbfsd\[\d+\]: ", line) for line in heard)


# ---- mount(8) --------------------------------------------------------------------------------------

# In a mount namespace of its own, where /usr/sbin has the helper, or /usr/bin has fbfsd.
MOUNT_SCRIPT = """
set -e
program=$1 area=$2 kind=$3
mkdir "$area/sbin" "$area/bin"
if [ "$kind" = helper ]; then
    ln -s "$program" "$area/sbin/mount.fuse.fbfsd"
    mount -t overlay overlay -o "lowerdir=$area/sbin:/usr/sbin" /usr/sbin || exit 77
elif [ -e /sbin/mount.fuse.fbfsd ]; then
    exit 78
else
    ln -s "$program" "$area/bin/fbfsd"
    mount -t overlay overlay -o "lowerdir=$area/bin:/usr/bin" /usr/bin || exit 77
fi
cd "$area"
mount -t fuse.fbfsd -o rw,nosuid,allow_other,cache=always,nofail src mnt
grep " $area/mnt fuse.fbfsd .*allow_other" /proc/self/mounts
cat mnt/file
umount mnt
echo "$area/src $area/mnt fuse.fbfsd ro,noauto,user,x-systemd.automount,_netdev 0 0" >fstab
mount --fstab fstab "$area/mnt"
! touch mnt/new
cat mnt/file
umount mnt
echo unmounted
! mount -t fuse.fbfsd -o bogus src mnt
! mount -t fuse.fbfsd "$area/nowhere" mnt
"""


@needs_root
@pytest.mark.parametrize("kind", ["helper", "libfuse"])
def test_mount_and_fstab(fbfsd, area, kind):
    if kind == "libfuse" and not shutil.which("mount.fuse", path="/sbin:/usr/sbin"):
        pytest.skip("libfuse's mount.fuse is not installed")
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", MOUNT_SCRIPT, "sh", fbfsd, area, kind],
        capture_output=True, text=True, timeout=SECONDS,
    )  # fmt: skip
    if done.returncode == 77:
        pytest.skip(f"no overlay mounts here: {done.stderr.strip()}")
    if done.returncode == 78:
        pytest.skip("mount.fuse.fbfsd is installed here, so libfuse's helper is not used")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("content\n") == 2 and "unmounted" in done.stdout
    assert "unknown option -o bogus" in done.stderr and "nowhere does not exist" in done.stderr
    assert wait_until(lambda: not processes_of(area))


def helper(fbfsd, area):
    path = area / "mount.fuse.fbfsd"
    path.symlink_to(fbfsd)
    return path


def test_mount_helper_only_pretends_with_f(fbfsd, area):
    done = subprocess.run(
        [helper(fbfsd, area), area / "src", area / "mnt", "-n", "-f", "-o", "rw", "-t", "fuse.fbfsd"],
        capture_output=True, text=True, timeout=SECONDS,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not mount_entry(area / "mnt")


def test_mount_helper_knows_no_other_letters(fbfsd, area):
    done = subprocess.run(
        [helper(fbfsd, area), "-d", area / "src", area / "mnt"],
        capture_output=True, text=True, timeout=SECONDS,
    )  # fmt: skip
    assert done.returncode == 1 and "unknown option -d" in done.stderr


# ---- an example ------------------------------------------------------------------------------------


AT_FDCWD, AT_HANDLE_FID = -100, 0x200


def file_handle(path):
    """What name_to_handle_at(2) gives: on FUSE it holds the node's number and generation."""
    libc = ctypes.CDLL(None, use_errno=True)
    handle = ctypes.create_string_buffer(struct.pack("=Ii", 128, 0) + bytes(128))
    mount_id = ctypes.c_int()
    arguments = (AT_FDCWD, os.fsencode(path), handle, ctypes.byref(mount_id), AT_HANDLE_FID)
    if libc.name_to_handle_at(*arguments) < 0:
        if ctypes.get_errno() == errno.EINVAL:
            pytest.skip("Linux before 6.5 does not tell of handles that can not be opened")
        raise OSError(ctypes.get_errno(), "name_to_handle_at")
    size, _ = struct.unpack_from("=Ii", handle)
    return handle.raw[8 : 8 + size]


@needs_root
def test_numbers_that_memfs_uses_again_have_another_generation(fbfsd, area):
    if not os.path.exists("/dev/fuse"):
        pytest.skip("no /dev/fuse here")
    program = fbfsd.parent.parent / "examples" / "memfs"
    if not program.exists():
        pytest.skip(f"{program} is not built")
    path = area / "mnt" / "new"
    numbers, handles = set(), set()
    process = subprocess.Popen([program, area / "mnt"])
    try:
        assert wait_until(lambda: mount_entry(area / "mnt"))
        for _ in range(20):
            path.touch()
            numbers.add(path.stat().st_ino)
            handles.add(file_handle(path))
            path.unlink()
    finally:
        process.terminate()
        process.wait(SECONDS)
    assert len(numbers) < 20, "no number was used again: nothing was tested"
    assert len(handles) == 20
    assert not mount_entry(area / "mnt")


# ---- the service manager ---------------------------------------------------------------------------


def test_systemd_is_told(fbfsd, mount, area):
    linked = subprocess.run(["ldd", fbfsd], capture_output=True, text=True, timeout=SECONDS)
    if "libsystemd" not in linked.stdout:
        pytest.skip("fbfsd was built without libsystemd")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(area / "notify"))
        manager.settimeout(SECONDS)
        with mount("-f", prefix=["env", f"NOTIFY_SOCKET={area}/notify"]) as mounted:
            message = manager.recv(4096).decode()
            assert "READY=1" in message and f"MAINPID={mounted.pid}" in message
            assert (area / "mnt" / "file").exists()
            os.kill(mounted.pid, signal.SIGTERM)
            assert "STOPPING=1" in manager.recv(4096).decode()
