# SPDX-License-Identifier: BSD-3-Clause
"""script/bench as a whole, with very little work."""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time
import xml.etree.ElementTree

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("FB_BUILD_DIR", ROOT / "build" / "dev"))
SLOWER = 4 if os.environ.get("FB_SANITIZE") else 1
TINY = ["--rounds", "2", "--count", "20", "--threads", "1,2", "--seconds", "0.1", "--megabytes", "4",
        "--depths", "1", "--jobs", "1", "--queues", "1", "--tree", "50", "--code", "1"]

if os.geteuid() != 0 or not os.access("/dev/fuse", os.R_OK | os.W_OK):
    pytest.skip("needs root and /dev/fuse", allow_module_level=True)
for program in ("cc", "fio", "git", "make"):
    if not shutil.which(program):
        pytest.skip(f"needs {program}", allow_module_level=True)

# The first time, when it is only probed, it serves; later it hangs as soon as work has begun.
STOPS = """#!/bin/sh
if [ -e "$0.probed" ]; then
	(until ls -d "$1"/fsops-* >/dev/null 2>&1; do sleep 0.01; done; kill -STOP $$) &
fi
touch "$0.probed"
exec {fbfsd} -f "$@"
"""


def command(folder, *options):
    return [str(ROOT / "script/bench"), *TINY, "--directory", str(folder), "--output", str(folder / "out"),
            *options]


def environment():
    return {**os.environ, "FB_BUILD_DIR": str(BUILD)}


def bench(folder, *options, status=0):
    done = subprocess.run(command(folder, *options), env=environment(), text=True, capture_output=True, timeout=90)
    assert done.returncode == status, done.stderr
    return done


def leftovers(folder):
    """Mounts, processes and folders of a run that is over."""
    mounts = [line for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines() if str(folder) in line]
    running = subprocess.run(["pgrep", "-f", f"{folder}/fb-bench"], text=True, capture_output=True).stdout.split()
    return mounts + running + [path.name for path in folder.glob("fb-bench-*")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Not on the tmpfs that /tmp may be."""
    path = pathlib.Path("/var/tmp") / f"fb-bench-test-{os.getpid()}"
    path.mkdir()
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def run(folder):
    """Native and fbfsd, with a peer that ends at once."""
    done = bench(
        folder, "--only", "^(fbfsd|ends)$",
        "--work", "threads-2/|threads-1/(create|unlink)$|fio/buffered/(seq-read|random-write)|project",
        "--peer", "ends=sh -c 'echo no such luck >&2; exit 3' {source} {mountpoint}", status=1)
    assert leftovers(folder) == []
    return done, json.loads((folder / "out.json").read_text())


def results_of(run, server):
    return {result["work"]: result for result in run[1]["results"] if result["server"] == server}


def states(run):
    return {server["name"]: server for server in run[1]["servers"]}


def test_all_works_are_measured_with_both(run):
    works = [work["name"] for work in run[1]["works"]]
    assert {"files/threads-1/create", "files/threads-2/readdir", "fio/buffered/seq-read/depth-1/jobs-1",
            "project/untar"} <= set(works)
    for server in ("native", "fbfsd"):
        found = results_of(run, server)
        assert list(found) == works, run[0].stderr
        for result in found.values():
            assert len(result["values"]) == 2 and min(result["values"]) > 0
            assert result["low"] <= result["median"] <= result["high"]


def test_rates_are_those_of_the_values(run):
    """The median of two is their mean; the ratio is formed in each round."""
    native, fbfsd = (results_of(run, name)["files/threads-1/create"] for name in ("native", "fbfsd"))
    assert fbfsd["median"] == pytest.approx(sum(fbfsd["values"]) / 2)
    ratios = [own / base for own, base in zip(fbfsd["values"], native["values"])]
    assert fbfsd["ratio"]["median"] == pytest.approx(sum(ratios) / 2)
    assert native["ratio"]["median"] == 1


def test_ratio_of_seconds_is_of_speed(run):
    native, fbfsd = (results_of(run, name)["project/untar"] for name in ("native", "fbfsd"))
    ratios = [base / own for own, base in zip(fbfsd["values"], native["values"])]
    assert fbfsd["ratio"]["median"] == pytest.approx(sum(ratios) / 2)


def test_latency_and_cost(run):
    create = results_of(run, "fbfsd")["files/threads-2/create"]
    latency = create["latency_us"]
    assert 1 < latency["p50"] <= latency["p99"] <= latency["p99.9"] < 1e7
    assert create["operations"] == 20
    assert 1 < create["cpu_s_per_million"] < 1e6
    assert 1000 < create["rss_kib"] <= create["hwm_kib"]
    assert set(results_of(run, "fbfsd")["fio/buffered/seq-read/depth-1/jobs-1"]["latency_us"]) == \
        {"p50", "p99", "p99.9"}
    assert results_of(run, "native")["files/threads-2/create"]["cpu_s_per_million"] is None


def test_machine_and_options(run):
    machine = run[1]["machine"]
    assert run[1]["format"] == 1 and not run[1]["interrupted"] and run[1]["rounds"] == 2
    assert os.uname().release in machine["kernel"] and machine["processors"] > 0 and machine["memory_mib"] > 0
    assert machine["versions"]["fbfsd"].startswith("fbfsd ") and machine["filesystem"]
    assert run[1]["options"]["count"] == 20 and run[1]["options"]["threads"] == [1, 2]


def test_a_peer_that_ends_is_reported(run):
    ends = states(run)["ends"]
    assert ends["state"] == "failed" and "status 3" in ends["reason"] and "no such luck" in ends["reason"]
    assert states(run)["fbfsd"]["state"] == "ok"


def test_servers_that_hang_are_reported(folder):
    """At once, and at work. The others go on."""
    stops = folder / "stops"
    stops.write_text(STOPS.format(fbfsd=BUILD / "bin/fbfsd"))
    stops.chmod(0o755)
    done = bench(
        folder, "--only", "^(hangs|stops|z-fbfsd)$", "--work", "files/threads-1/open-close", "--rounds", "3",
        "--count", "500", "--timeout", str(2 * SLOWER), "--output", str(folder / "hung"),
        "--peer", "hangs=sh -c 'sleep 1000' {source} {mountpoint}",
        "--peer", f"stops={stops} {{source}} {{mountpoint}}",
        "--peer", f"z-fbfsd={BUILD / 'bin/fbfsd'} {{source}} {{mountpoint}}", status=1)
    run = done, json.loads((folder / "hung.json").read_text())
    assert states(run)["hangs"]["state"] == "failed" and "not ready after" in states(run)["hangs"]["reason"]
    reasons = [each["reason"] for each in run[1]["failures"] if each["server"] == "stops"]
    assert len(reasons) == 3 and all("timeout" in reason for reason in reasons), reasons
    assert states(run)["stops"]["state"] == "failed"
    assert "stops gets no further turn" in done.stderr
    assert states(run)["z-fbfsd"]["state"] == "ok" and results_of(run, "z-fbfsd")
    assert leftovers(folder) == []


def test_the_table(run, folder):
    text = run[0].stdout
    assert (folder / "out.txt").read_text() == text
    line = next(line for line in text.splitlines() if line.startswith("files/threads-1/create"))
    assert re.search(r"op/s +\S+ ±\d+% +1\.00x +\S+ ±\d+% +\d+\.\d\dx", line), line
    assert "no such luck" in text and "Latency in µs" in text


def test_the_chart(run, folder):
    pytest.importorskip("matplotlib")
    texts = ["".join(each.itertext()).strip()
             for each in xml.etree.ElementTree.parse(folder / "out.svg").iter("{http://www.w3.org/2000/svg}text")]
    assert {"create", "fbfsd", "untar"} <= set(texts), texts
    assert any(os.uname().release in text for text in texts)
    assert (folder / "out.png").stat().st_size > 10000


def test_two_runs_are_compared(run, folder):
    new = json.loads((folder / "out.json").read_text())
    for result in new["results"]:
        if result["server"] == "fbfsd" and result["work"] in ("files/threads-1/create", "project/untar"):
            for name in ("median", "low", "high"):
                result[name] *= 4
    (folder / "new.json").write_text(json.dumps(new))
    done = bench(folder, "--compare", str(folder / "out.json"), str(folder / "new.json"))
    blocks = {block.split(",")[0]: block for block in done.stdout.split("\n\n")}
    assert re.search(r"^fbfsd .* 4\.00x!", blocks["files/threads-1/create"], re.M)
    assert re.search(r"^fbfsd .* 0\.25x!", blocks["project/untar"], re.M)
    assert re.search(r"^native .* 1\.00x ", blocks["project/untar"], re.M)
    (folder / "new.json").write_text('{"format": 99}')
    done = bench(folder, "--compare", str(folder / "out.json"), str(folder / "new.json"), status=2)
    assert "format" in done.stderr


def test_guests(folder):
    bench(folder, "--only", "^vhost-fbfsd$", "--work", "guest/(getattr|write-4k)", "--rounds", "1")
    run = json.loads((folder / "out.json").read_text())
    found = {result["work"]: result for result in run["results"]}
    assert set(found) == {f"guest/{kind}/depth-{depth}/queues-1" for kind in ("getattr", "write-4k")
                          for depth in (1, 16)}
    assert all(result["median"] > 100 and result["cpu_s_per_million"] > 0 for result in found.values())
    assert leftovers(folder) == []


def test_interrupting_leaves_nothing(folder):
    process = subprocess.Popen(
        command(folder, "--only", "^fbfsd$", "--work", "files/threads-1/open-close", "--count", "1000", "--rounds", "50"),
        env=environment(), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    for line in process.stderr:
        if re.search("round 1 of 50: fbfsd", line):
            break
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=40)
    assert process.returncode == 130
    assert leftovers(folder) == []
    assert json.loads((folder / "out.json").read_text())["interrupted"]


def test_wrong_options(folder):
    done = bench(folder, "--peer", "nothing", status=2)
    assert "{source}" in done.stderr
    done = bench(folder, "--list", "--peer", "fbfsd=x {source} {mountpoint}", status=1)
    assert "more than one server is called fbfsd" in done.stderr
