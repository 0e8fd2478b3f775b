"""The benchmarks' own logic, on figures that are made up; how fast anything is, no test says."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks.fairness import Ran, free_while_waiting
from benchmarks.memory import slope
from benchmarks.report import finish, markdown, svg
from benchmarks.runs import Case, Figure, Group, Run, Settings, in_turns
from benchmarks.support import BenchmarkError

pytestmark = pytest.mark.quick

ROOT = Path(__file__).parents[2]
FIGURES = (Figure("jobs_per_s", "jobs/s"), Figure("worker_us", "us/job", ".1f"))


def a_group() -> Group:
    runs: dict[str, list[Run]] = {
        "ours": [{"jobs_per_s": speed, "worker_us": 7.0} for speed in (90_000, 100_000, 120_000)],
        "sidekiq8": [{"jobs_per_s": speed, "worker_us": 45.0} for speed in (20_000, 20_000, 20_000)],
        "faster <one>": [{"jobs_per_s": 200_000.0, "worker_us": 2.5}] * 3,
    }
    return Group("drain", FIGURES, runs)


def test_the_command_names_all_benchmarks() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--list"], cwd=ROOT, capture_output=True, text=True, check=True
    )

    names = [line.split()[0] for line in shown.stdout.splitlines()]
    assert names == ["drain", "processes", "latency", "rtt", "enqueue", "fairness", "schedule", "memory", "web"]


def test_the_command_refuses_a_name_that_is_none() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "benchmarks", "drian"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert shown.returncode == 2
    assert "no benchmark is called drian" in shown.stderr


def test_a_table_has_medians_ratios_and_a_row_for_the_peer_that_wins() -> None:
    _, _, *lines = markdown([a_group()]).splitlines()

    assert lines == [
        "| drain | ours | 100,000 jobs/s | 90,000..120,000 | 7.0 us/job |  | 5.00x |",
        "| drain | sidekiq8 | 20,000 jobs/s | 20,000..20,000 | 45.0 us/job | 5.00x |  |",
        "| drain | faster <one> | 200,000 jobs/s | 200,000..200,000 | 2.5 us/job | 0.50x | 10.00x |",
    ]


def test_a_chart_is_well_formed_and_its_longest_bar_is_the_highest_figure() -> None:
    chart = ElementTree.fromstring(svg(a_group()))

    widths = [float(bar.attrib["width"]) for bar in chart.iter("{http://www.w3.org/2000/svg}rect")]
    assert len(widths) == 3
    assert widths[2] == 2 * widths[0] == 10 * widths[1]


def test_a_case_that_breaks_is_told_of_and_does_not_stop_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> Run:
        raise BenchmarkError("it did not start")

    cases = [
        Case("drain", "ours", lambda: {"jobs_per_s": 2.0, "worker_us": 1.0}),
        Case("drain", "sidekiq8", lambda: {"jobs_per_s": 1.0, "worker_us": 2.0}),
        Case("drain", "broken", broken),
    ]
    args = argparse.Namespace(json=False)

    status = finish(args, Settings(rounds=2), [lambda settings: in_turns(cases, FIGURES, settings)], tmp_path)

    printed = capsys.readouterr().out
    assert status == 1
    assert "| drain | ours | 2 jobs/s |" in printed
    assert "broke: drain, broken: it did not start" in printed
    assert sorted(file.name for file in tmp_path.iterdir()) == ["drain.svg", "results.json", "results.md"]
    assert (
        json.loads((tmp_path / "results.json").read_text())["groups"][0]["peers"]["ours"]["rounds"]
        == [{"jobs_per_s": 2.0, "worker_us": 1.0}] * 2
    )


def test_free_time_is_found_where_a_slot_stood_free_while_a_job_waited() -> None:
    """Two slots: one has a long job, the other stands free from 1.1 to 1.5 though a job waits until then."""
    ran = [
        Ran(0, ("1", "a"), 1.0, 3.0),
        Ran(1, ("1", "b"), 1.0, 1.1),
        Ran(2, ("1", "b"), 1.5, 1.6),
    ]

    longest, together = free_while_waiting(ran, [1.0, 1.5], since=1.0, slots=2)

    assert longest == pytest.approx(0.4)
    assert together == pytest.approx(0.4)


def test_a_slot_that_never_ran_anything_stood_free_all_the_time() -> None:
    ran = [Ran(0, ("1", "a"), 1.0, 2.0), Ran(1, ("1", "a"), 2.0, 2.5)]

    longest, _ = free_while_waiting(ran, [1.0, 2.0], since=1.0, slots=2)

    assert longest == pytest.approx(1.0)


def test_a_slope_is_that_of_the_line_through_the_points() -> None:
    assert slope([(0, 5.0), (10, 25.0), (20, 45.0)]) == pytest.approx(2.0)
