#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Usage: cost.py [--rounds N] [--calls N] [--clients N] [--json FILE]

What one request costs a server, in microseconds of its processor time: the same file system in C and in
Python, by libfb, and by pyfuse3 and fusepy where they are installed. All of it runs on one processor:
on two, most of the time goes into waking the idle one, whatever the server does. Servers take turns; the table
shows medians over the rounds and half the spread between the quartiles. FB_BUILD_DIR is the build
folder (default: build/release beside this checkout).
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

HERE = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(os.environ.get("FB_BUILD_DIR", HERE.parents[2] / "build/release"))


def build(name: str, folder: str) -> str:
    """Compile a program of this folder against the library that the binding uses. Returns it."""
    program = os.path.join(folder, name)
    include, library = HERE.parents[2] / "libfb/include", BUILD / "lib"
    subprocess.run(["cc", "-O2", f"-I{include}", "-o", program, str(HERE / f"{name}.c"),
                    f"-L{library}", "-lfb", f"-Wl,-rpath,{library}"], check=True)
    return program


def servers(program: str) -> dict[str, list[str]]:
    """Command lines by name, with {} for the mountpoint; program is the one in C."""
    python = ["/usr/bin/python3", "-B"]
    found = {"C": [program, "{}"],
             "libfb node": [*python, str(HERE / "cost_libfb_node.py"), "{}"],
             "libfb path": [*python, str(HERE / "cost_libfb_path.py"), "{}"]}
    if importlib.util.find_spec("pyfuse3"):
        found["pyfuse3"] = [*python, str(HERE / "cost_pyfuse3.py"), "{}"]
    if importlib.util.find_spec("fusepy"):
        found["fusepy"] = [*python, str(HERE / "cost_fusepy.py"), "{}"]
        found["fusepy 1 thread"] = [*python, str(HERE / "cost_fusepy.py"), "{}", "nothreads"]
    return found


def cpu_ns(pid: int) -> int:
    """Processor time of all threads so far."""
    return sum(int((task / "schedstat").read_text().split()[0])
               for task in pathlib.Path(f"/proc/{pid}/task").iterdir())


class Served:
    """A server with its mount."""

    def __init__(self, command: list[str], folder: str) -> None:
        self.folder = folder
        words = [word.format(folder) for word in command]
        environment = dict(os.environ, PYTHONPATH=str(BUILD / "py"), PYTHONSAFEPATH="1")
        self.process = subprocess.Popen(words, env=environment, cwd="/")
        until = time.monotonic() + 20
        while not os.path.ismount(folder):
            if time.monotonic() > until or self.process.poll() is not None:
                raise SystemExit(f"cost: {words[1]} does not mount")
            time.sleep(0.02)

    def end(self) -> None:
        subprocess.run(["umount", self.folder], check=True)
        self.process.wait(20)


#: Arguments of cost_client by what the table calls them. A stat is a LOOKUP that finds something.
WORK = {"GETATTR": "getattr", "LOOKUP, missing": "lookup", "LOOKUP, there": "stat",
        "READ 4 KiB": "read"}


def run(command: list[str], folder: str, clients: int) -> None:
    """So many clients at once."""
    running = [subprocess.Popen(command, cwd=folder) for _ in range(clients)]
    if any([client.wait() for client in running]):
        raise SystemExit("cost: a client failed")


def measure(rounds: int, calls: int, clients: int) -> Iterator[tuple[str, str, float]]:
    """(work, server, us per call) of every round."""
    with tempfile.TemporaryDirectory() as base:
        running = {}
        try:
            client = build("cost_client", base)
            for name, command in servers(build("cost_server", base)).items():
                folder = os.path.join(base, name.replace(" ", "_"))
                os.mkdir(folder)
                running[name] = Served(command, folder)
            for work, argument in WORK.items():
                for _ in range(rounds):
                    for name, server in running.items():
                        before = cpu_ns(server.process.pid)
                        run([client, argument, str(calls // clients)], server.folder, clients)
                        cost = (cpu_ns(server.process.pid) - before) / calls / 1000
                        yield work, name, cost
        finally:
            for server in running.values():
                server.end()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--calls", type=int, default=20000)
    parser.add_argument("--clients", type=int, default=1, help="that ask at the same time")
    parser.add_argument("--json", help="write all figures to this file")
    options = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    figures: dict[str, dict[str, list[float]]] = {}
    for work, name, cost in measure(options.rounds, options.calls, options.clients):
        figures.setdefault(work, {}).setdefault(name, []).append(cost)
        print(".", end="", flush=True, file=sys.stderr)
    print(file=sys.stderr)
    names = list(next(iter(figures.values())))
    print(f"{'us of the server, per call':<26}" + "".join(f"{n:>18}" for n in names))
    for work, by_name in figures.items():
        cells = []
        for name in names:
            low, middle, high = statistics.quantiles(by_name[name], n=4)
            cells.append(f"{middle:>10.2f} ±{(high - low) / 2:>5.2f} ")
        print(f"{work:<26}" + "".join(cells))
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
