"""The chaos program sees what it is there to see: its counting, tried on files of runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos.__main__ import main
from chaos.runlog import RunLog
from chaos.trial import Trial

pytestmark = pytest.mark.quick


@pytest.fixture
def trial() -> Iterator[Trial]:
    """A trial that has three answered pushes: 0, 1 and 2."""
    made = Trial("test", full=False)
    made.confirmed.update(made.numbers(3))
    yield made
    made.close()


def test_a_run_log_is_read_on_from_where_it_was_and_whole_lines_only(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "runs")
    log.file.write_text("start 7 100 1000000000\nend 7 100 1500000000\nstart 8 1")
    assert (log.read().started, log.ended) == ({7: 1}, {7: 1})

    with log.file.open("a") as file:
        file.write("01 4000000000\n")

    assert log.read().started == {7: 1, 8: 1}
    assert (log.longest_gap_s(), log.first_after(1.0), log.first_after(0.0, pid=101)) == (3.0, 4.0, 4.0)


def test_a_job_that_began_and_did_not_end_is_lost(trial: Trial) -> None:
    trial.log.file.write_text(_runs(("start", 0), ("end", 0), ("start", 1), ("end", 1), ("start", 2)))

    row = trial.row()

    assert (row.enqueued, row.executed, row.lost, row.doubled) == (3, 2, 1, 0)
    assert row.broken == ["1 lost"]


def test_more_doubled_runs_than_there_may_be_are_told(trial: Trial) -> None:
    ends = [(what, number) for number in range(3) for what in ("start", "end")]
    trial.log.file.write_text(_runs(("start", 0), ("start", 1), *ends))
    trial.bound = 2
    assert trial.row().broken == []

    trial.bound = 1

    assert trial.row().broken == ["2 doubled"]


def test_a_scenario_that_hangs_has_a_row(trial: Trial) -> None:
    row = trial.run(lambda trial: trial.until(lambda: False, 0.01, "nothing happens"))

    assert "nothing happens" in row.broken[0]


def test_an_unknown_scenario_is_refused_and_the_known_ones_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["strom"])

    assert ended.value.code == 2
    assert "storm" in capsys.readouterr().err


def _runs(*lines: tuple[str, int]) -> str:
    return "".join(f"{what} {number} 100 {at}\n" for at, (what, number) in enumerate(lines))
