# SPDX-License-Identifier: BSD-3-Clause
"""The rounds: servers take turns, each time in another order."""

from __future__ import annotations

import os
import pathlib
import subprocess
from collections import Counter

from .clients import Task, run
from .places import Failed, place_of
from .progress import Progress
from .results import Results
from .servers import Server

#: After so many failures of a server, not of clients, it gets no further turn: each may cost a timeout.
BREAKDOWNS_MAX = 3


class Measurement:
    """A run."""

    def __init__(self, results: Results, tasks: dict[str, list[Task]], work: pathlib.Path, rounds: int,
                 timeout_s: float) -> None:
        self.results, self.work, self.rounds, self.timeout_s = results, work, rounds, timeout_s
        self.tasks = tasks  # by kind of server
        self.prepared: set[str] = set()  # what is in the source between works
        self.breakdowns: Counter[str] = Counter()
        self.progress = Progress(rounds * sum(len(tasks[server.kind]) for server in self.takers()))

    def takers(self) -> list[Server]:
        return [server for server in self.results.servers if server.state == "ok"]

    def run(self) -> None:
        self.prepared = set(os.listdir(self.work / "source"))
        self.probe()
        for number in range(self.rounds):
            self.results.rounds = number + 1
            order = self.takers()
            shift = number % len(order) if order else 0
            for server in order[shift:] + order[:shift]:
                self.turn(server, number)
        self.progress.clear()

    def probe(self) -> None:
        """Start and end each server once, so that what can not work is known before the rounds."""
        for server in self.takers():
            if not self.tasks[server.kind]:
                server.state, server.reason = "skipped", "none of the chosen works is for it"
                continue
            self.progress.show("probing", server.name)
            try:
                with place_of(server, self.work, self.timeout_s):
                    pass
            except Failed as error:
                refused = server.optional and "unknown option" in str(error)
                server.state, server.reason = "skipped" if refused else "failed", str(error)
                self.progress.say(f"{server.name} {server.state}: {error}")
        self.progress.total = self.rounds * sum(len(self.tasks[server.kind]) for server in self.takers())

    def turn(self, server: Server, number: int) -> None:
        """All works of a server. One that breaks it ends it, and the next begins with a new one."""
        where = f"round {number + 1} of {self.rounds}: {server.name}"
        self.progress.begin(where)
        waiting = list(self.tasks[server.kind])
        while waiting and server.state == "ok":
            try:
                self.serve(server, waiting, number, where)
            except Failed as error:
                self.fail(server, waiting.pop(0), number, str(error))
                self.break_down(server, str(error))
                self.progress.advance(1)
        self.progress.advance(len(waiting))

    def tidy(self) -> None:
        """Remove what killed clients left, so that it is in nobody's way."""
        for name in set(os.listdir(self.work / "source")) - self.prepared:
            subprocess.run(["rm", "-rf", "--", str(self.work / "source" / name)], check=True)

    def serve(self, server: Server, waiting: list[Task], number: int, where: str) -> None:
        """Do the tasks, taking each from the list. Nothing is left to be written back when one begins.
        Guests' daemons are started anew for each."""
        with place_of(server, self.work, self.timeout_s) as place:
            while waiting and not place.broken:
                task = waiting[0]
                self.progress.show(where, task.works[0].name)
                try:
                    run(["sync", "-f", str(place.source)], place, self.timeout_s)
                    for reading in task.run(place, self.timeout_s):
                        self.results.add(server.name, number, reading)
                    place.check()
                except Failed as error:
                    self.fail(server, task, number, str(error))
                waiting.pop(0)
                self.progress.advance(1)
                if server.kind == "guest":
                    break
        self.tidy()
        if place.broken:
            self.break_down(server, place.broken)

    def fail(self, server: Server, task: Task, number: int, reason: str) -> None:
        first = task.works[0].name
        what = first if len(task.works) == 1 else f"{first.rpartition('/')[0]}/…"
        self.results.fail(server.name, what, number, reason)
        self.progress.say(f"{server.name}, {what}: {reason}")

    def break_down(self, server: Server, reason: str) -> None:
        self.breakdowns[server.name] += 1
        if self.breakdowns[server.name] >= BREAKDOWNS_MAX:
            server.state = "failed"
            server.reason = f"broke down {BREAKDOWNS_MAX} times, at last: {reason}"
            self.progress.say(f"{server.name} gets no further turn")
