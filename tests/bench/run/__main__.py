# SPDX-License-Identifier: BSD-3-Clause
"""script/bench, after what it needs was built. FB_BUILD_DIR says where fbfsd is (build/release)."""

from __future__ import annotations

import contextlib
import datetime
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator

from . import chart, compare, machine, options, places, processes, programs, report, servers, works
from .clients import Task
from .measure import Measurement
from .options import Options
from .results import Results
from .servers import Server

ROOT = pathlib.Path(__file__).resolve().parents[3]


def complain(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


def fbfsd_path() -> pathlib.Path:
    return pathlib.Path(os.environ.get("FB_BUILD_DIR", ROOT / "build/release")).resolve() / "bin/fbfsd"


def sweep(mountpoint: pathlib.Path) -> None:
    """What an interrupt at the wrong moment left over."""
    left = processes.descendants({os.getpid()})
    processes.kill_all(left)
    while places.mount_device(mountpoint) is not None:
        if subprocess.run(["umount", "-l", str(mountpoint)], check=False).returncode != 0:
            break
    processes.reap(left)


@contextlib.contextmanager
def work_folder(parent: pathlib.Path) -> Iterator[pathlib.Path]:
    """Removed afterwards, and never what a mount that is left over shows."""
    work = pathlib.Path(tempfile.mkdtemp(prefix="fb-bench-", dir=parent))
    for name in ("source", "mountpoint"):
        (work / name).mkdir()
    try:
        yield work
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        sweep(work / "mountpoint")
        subprocess.run(["rm", "-rf", "--one-file-system", str(work)], check=False)


@contextlib.contextmanager
def uring_enabled(wanted: bool) -> Iterator[None]:
    off = servers.URING.exists() and not servers.uring_is_enabled()
    before = servers.URING.read_text() if wanted and off else ""
    if before:
        servers.URING.write_text("Y")
    try:
        yield
    finally:
        if before:
            servers.URING.write_text(before)


def choose(found: list[Server], given: Options) -> list[Server]:
    """Those that were asked for; the native file system stays, for the ratios."""
    asked = {*given.modes, *given.peers, *given.vhost_peers}
    chosen = [server for server in found if not given.quick or server.quick or server.name in asked]
    return [server for server in chosen
            if not given.only or server.kind == "native" or given.only.search(server.name)]


def all_servers(given: Options, passthrough_ll: pathlib.Path | None) -> list[Server]:
    fbfsd = fbfsd_path()
    found = [Server("native", "native"), *servers.fbfsd_modes(fbfsd, given.modes),
             *servers.peers(passthrough_ll, shutil.which("bindfs"), given.peers),
             *servers.daemons(fbfsd, given.vhost_peers)]
    names = [server.name for server in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SystemExit(f"bench: more than one server is called {twice[0]}")
    return choose(found, given)


def told_options(given: Options) -> dict[str, object]:
    """What decides about the figures, for the JSON."""
    return {**vars(given.sizes), "quick": given.quick, "timeout_s": given.timeout_s,
            "only": given.only.pattern if given.only else "", "work": given.work.pattern if given.work else ""}


def prepare(given: Options, work: pathlib.Path) -> tuple[Results, dict[str, list[Task]]]:
    passthrough_ll, reason = programs.compile_passthrough_ll(work)
    if reason:
        complain(f"no passthrough_ll: {reason}")
    found = all_servers(given, passthrough_ll)
    servers.skip_uring(found)
    mounts = works.mount_tasks(given, work, programs.compile_fsops(ROOT, work))
    tasks: dict[str, list[Task]] = {"native": mounts, "mount": mounts, "guest": []}
    if any(server.kind == "guest" for server in found):
        tasks["guest"] = works.guest_tasks(given, programs.compile_guest(ROOT, work))
    shown = [each for kind in ("native", "guest") for task in tasks[kind] for each in task.works]
    results = Results(machine.describe(ROOT, fbfsd_path(), given.directory), told_options(given),
                      datetime.datetime.now().astimezone().isoformat(timespec="seconds"), found, shown)
    return results, tasks


def show_plan(results: Results) -> None:
    for server in results.servers:
        state = f"  [{server.state}: {server.reason}]" if server.reason else ""
        print(f"{server.name:<24} {server.command or 'the source itself'}{state}")
    for work in results.works:
        print(f"{work.name}, {work.unit}")


def write(results: Results, given: Options) -> None:
    prefix = given.output or ROOT / "build/bench" / results.date[:19].replace(":", "-")
    prefix.parent.mkdir(parents=True, exist_ok=True)
    paths = {end: prefix.with_name(f"{prefix.name}.{end}") for end in ("json", "txt", "svg", "png")}
    results.write(paths["json"])
    run = compare.read(paths["json"])
    paths["txt"].write_text(report.text(run) + "\n", encoding="utf-8")
    print(report.text(run), flush=True)
    missing = chart.write(run, [paths["svg"], paths["png"]])
    if missing:
        complain(missing)
    written = [str(path) for path in paths.values() if path.exists()]
    complain(f"written: {' '.join(written)}")


def measure(given: Options) -> int:
    with contextlib.ExitStack() as stack:
        stack.enter_context(uring_enabled(given.enable_uring))
        work = stack.enter_context(work_folder(given.directory))
        results, tasks = prepare(given, work)
        if given.list:
            show_plan(results)
            return 0
        if os.geteuid() != 0:
            complain("not root: nothing cold can be measured")
        works.prepare([task for kind in ("native", "guest") for task in tasks[kind]], given, work, ROOT)
        rounds = Measurement(results, tasks, work, given.sizes.rounds, given.timeout_s)
        try:
            rounds.run()
        except KeyboardInterrupt:
            results.interrupted = True
            rounds.progress.say("interrupted")
    if results.readings:
        write(results, given)
    failed = any(server.state == "failed" for server in results.servers)
    return 130 if results.interrupted else int(failed)


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def main() -> int:
    given = options.parse(sys.argv[1:])
    if given.compare:
        try:
            print(compare.text(*map(compare.read, given.compare)))
        except compare.Unreadable as error:
            complain(str(error))
            return 2
        return 0
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    processes.adopt()
    try:
        return measure(given)
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
