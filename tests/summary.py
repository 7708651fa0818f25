#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Sum up what script/test ran.

Usage: tests/summary.py RESULTS

RESULTS holds <preset>.xml files, as ctest --output-junit writes them, and steps.tsv for what is
not a ctest test (builds, fuzzing). Where a test's own output tells how many cases it ran (cmocka,
pytest, TAP), those are counted; else the test is one case. So a case that was skipped inside a
passing program does not hide. The last line is "N passed, N failed, N skipped"; the exit status is
0 only if nothing failed and something passed.
"""
import pathlib
import re
import sys
import xml.etree.ElementTree

SKIP_REASON = re.compile(
    r"^(?:SKIP: *(?P<plain>.+)"  # ours, see tests/support/cmocka_setup.h
    r"|SKIPPED (?P<pytest>\[\d+\] .+)"  # pytest -ra
    r"|(?:not )?ok\b.*# *SKIP:? *(?P<tap>.*))$",
    re.M | re.I,
)
# That of Debian 13 puts the name of the group in front of how many failed and were skipped.
CMOCKA = re.compile(r"^\[  (PASSED|FAILED|SKIPPED) *\] (?:.+: )?(\d+) test\(s\)", re.M)
PYTEST = re.compile(r"^=* ?((?:\d+ [a-z]+, )*\d+ [a-z]+) in [\d.]+s", re.M)
TAP_PLAN = re.compile(r"^1\.\.\d+", re.M)
TAP_LINE = re.compile(r"^(not ok|ok)\b(.*)$", re.M)


class Counts:
    def __init__(self, passed=0, failed=0, skipped=0):
        self.passed, self.failed, self.skipped = passed, failed, skipped

    def __iadd__(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        return self

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def count_cases(output):
    """What the test's own closing lines say, or None."""
    counts = Counts()
    for what, number in CMOCKA.findall(output):
        setattr(counts, what.lower(), getattr(counts, what.lower()) + int(number))
    for line in PYTEST.findall(output):
        for number, what in re.findall(r"(\d+) ([a-z]+)", line):
            if what in ("passed", "xfailed"):
                counts.passed += int(number)
            elif what in ("failed", "error", "errors", "xpassed"):
                counts.failed += int(number)
            elif what == "skipped":
                counts.skipped += int(number)
    if TAP_PLAN.search(output):
        for verdict, rest in TAP_LINE.findall(output):
            if "# skip" in rest.lower():
                counts.skipped += 1
            elif verdict == "ok":
                counts.passed += 1
            else:
                counts.failed += 1
    return counts if counts.passed + counts.failed + counts.skipped else None


def judge(case):
    """One ctest test: its counts, and (name, reason) of what was skipped and what failed."""
    name = case.get("name")
    output = case.findtext("system-out") or ""
    status = case.get("status")
    reasons = [next(g for g in m.groups() if g is not None) for m in SKIP_REASON.finditer(output)]
    counts = count_cases(output)
    skipped = [(name, reason) for reason in reasons]

    if status == "run":
        counts = counts or Counts(passed=1)
        if counts.skipped and not reasons:
            skipped = [(name, f"{counts.skipped} cases, no reason given")]
        failed = [(name, "exit status 0, yet its output has failures")] if counts.failed else []
        return counts, skipped, failed
    skip_element = case.find("skipped")
    message = skip_element.get("message", "") if skip_element is not None else ""
    if status == "notrun" and "SKIP" in message:
        return Counts(skipped=1), skipped or [(name, "no reason given")], []
    if status == "disabled":
        return Counts(skipped=1), [(name, "disabled")], []
    # Failed, timed out, or its program was not found. A crash after good cases is a failure too.
    counts = counts or Counts()
    counts.failed = max(counts.failed, 1)
    failure = case.find("failure")
    why = failure.get("message", "") if failure is not None else message
    return counts, skipped, [(name, why or "its output is above")]


def main(results):
    total, skipped, failed = Counts(), [], []
    for report in sorted(results.glob("*.xml")):
        counts = Counts()
        cases = xml.etree.ElementTree.parse(report).getroot().findall("testcase")
        for case in cases:
            case_counts, case_skipped, case_failed = judge(case)
            counts += case_counts
            skipped += [(f"{report.stem}: {name}", why) for name, why in case_skipped]
            failed += [(f"{report.stem}: {name}", why) for name, why in case_failed]
        print(f"{report.stem}: {len(cases)} tests; cases in them: {counts}")
        total += counts
        if not cases:
            failed.append((report.stem, "no test ran"))
            total.failed += 1

    steps = results / "steps.tsv"
    for line in steps.read_text().splitlines() if steps.exists() else []:
        name, verdict, why = line.split("\t")
        if verdict == "failed":
            failed.append((name, why))
            total.failed += 1
        else:
            total.passed += 1

    if skipped:
        print("Skipped:")
        for name, why in skipped:
            print(f"  {name}: {why}")
    if failed:
        print("Failed:")
        for name, why in failed:
            print(f"  {name}: {why}")
    if not total.passed and not total.failed:
        print("No test ran.")
    print(total)
    return 0 if total.passed and not total.failed else 1


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
