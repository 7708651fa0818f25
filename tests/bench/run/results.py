# SPDX-License-Identifier: BSD-3-Clause
"""All readings of a run, and what they come to. The JSON is described in tests/bench/README.md."""

from __future__ import annotations

import json
import pathlib
import statistics
from dataclasses import asdict, dataclass, field

from .clients import Reading, Work
from .machine import Description
from .servers import Server

FORMAT = 1
Summary = dict[str, object]


@dataclass
class Middle:
    """A median, and the quartiles beside it."""

    median: float
    low: float
    high: float

    @staticmethod
    def of(values: list[float]) -> Middle:
        if len(values) < 2:
            return Middle(values[0], values[0], values[0])
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return Middle(median, low, high)

    @property
    def spread(self) -> float:
        """Half the way between the quartiles, as a share of the median."""
        return (self.high - self.low) / 2 / self.median if self.median else 0.0


@dataclass
class Results:
    machine: Description
    options: dict[str, object]
    date: str
    servers: list[Server]
    works: list[Work]
    rounds: int = 0  # begun
    interrupted: bool = False
    readings: dict[tuple[str, str], dict[int, Reading]] = field(default_factory=dict)  # by round
    failures: list[dict[str, object]] = field(default_factory=list)

    def add(self, server: str, number: int, reading: Reading) -> None:
        self.readings.setdefault((server, reading.work), {})[number] = reading

    def fail(self, server: str, work: str, number: int, reason: str) -> None:
        self.failures.append({"server": server, "work": work, "round": number + 1, "reason": reason})

    def baseline(self, work: str) -> str:
        """The server that a work's ratios are to."""
        kind = "guest" if work.startswith("guest/") else "native"
        return next((server.name for server in self.servers if server.kind == kind), "")

    def ratio(self, server: str, work: Work) -> Middle | None:
        """Speed as a share of the baseline's in the same round."""
        own = self.readings.get((server, work.name), {})
        base = self.readings.get((self.baseline(work.name), work.name), {})
        ratios = [own[number].value / base[number].value for number in own if number in base]
        if work.unit == "s":
            ratios = [1 / ratio for ratio in ratios]
        return Middle.of(ratios) if ratios else None

    def summary(self, server: str, work: Work) -> Summary | None:
        rounds = self.readings.get((server, work.name))
        if not rounds:
            return None
        readings = list(rounds.values())
        ratio = self.ratio(server, work)
        summary: Summary = {
            "server": server, "work": work.name,
            "values": [reading.value for reading in readings],
            **asdict(Middle.of([reading.value for reading in readings])),
            "ratio": asdict(ratio) if ratio else None,
            "operations": statistics.median(reading.operations for reading in readings),
            "latency_us": {name: statistics.median(reading.latency_us[name] for reading in readings)
                           for name in readings[0].latency_us},
        }
        return {**summary, **cost(readings)}

    def summaries(self) -> list[Summary]:
        found = [self.summary(server.name, work) for work in self.works for server in self.servers]
        return [summary for summary in found if summary]

    def as_json(self) -> dict[str, object]:
        return {
            "format": FORMAT, "date": self.date, "interrupted": self.interrupted, "rounds": self.rounds,
            "machine": self.machine, "options": self.options,
            "servers": [{"name": server.name, "kind": server.kind, "command": server.command,
                         "state": server.state, "reason": server.reason} for server in self.servers],
            "works": [{**asdict(work), "baseline": self.baseline(work.name)} for work in self.works],
            "results": self.summaries(), "failures": self.failures,
        }

    def write(self, path: pathlib.Path) -> None:
        path.write_text(json.dumps(self.as_json(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def cost(readings: list[Reading]) -> Summary:
    """What the server used; nothing for the native file system, which has none."""
    measured = [reading for reading in readings if reading.cpu_s is not None]
    if not measured:
        return {"cpu_s_per_million": None, "rss_kib": None, "hwm_kib": None}
    return {
        "cpu_s_per_million": statistics.median(
            (reading.cpu_s or 0.0) / reading.operations * 1e6 for reading in measured),
        "rss_kib": statistics.median(reading.rss_kib or 0 for reading in measured),
        "hwm_kib": statistics.median(reading.hwm_kib or 0 for reading in measured),
    }
