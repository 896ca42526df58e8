"""Long work says how far it is where no bar is drawn, too, and never in what a command prints."""

import itertools

import pytest

from hydranet.cli import progress_bar, terminal


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds, as the one entry of a list."""
    now = [0.0]
    monkeypatch.setattr(progress_bar.time, "monotonic", lambda: now[0])
    return now


def test_a_line_now_and_then(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with terminal.bar() as bar:
        job = bar.add_task("comparing", total=None, note="")
        for second in range(1, 301):
            clock[0] = float(second)
            bar.update(job, completed=second, total=300, note="sky\x1b[2J")
    printed = capsys.readouterr()
    lines = printed.err.splitlines()
    assert printed.out == ""
    assert lines[0] == "comparing: 10 of 300 sky?[2J"
    seconds = [int(line.split()[1]) for line in lines]
    gaps = [later - sooner for sooner, later in itertools.pairwise(seconds)]
    assert gaps[:9] == [10] * 9
    assert gaps == sorted(gaps)
    assert 25 <= gaps[-1] <= 30


def test_short_work_and_work_with_lines_of_its_own_say_nothing(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with terminal.bar() as bar:
        short = bar.add_task("reading", total=5, note="")
        clock[0] = 9.0
        bar.update(short, advance=1)
        clock[0] = 60.0
        bar.update(bar.add_task("training", total=5, note="", lines=False), advance=1)
        assert capsys.readouterr().err == ""
        bar.update(short, advance=1)
    assert capsys.readouterr().err == "reading: 2 of 5\n"


def test_work_that_counts_nothing_says_no_number(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with terminal.bar() as bar:
        job = bar.add_task("quantizing", total=None, note="")
        clock[0] = 20.0
        bar.update(job, note="measuring image 1 of 23")
    assert capsys.readouterr().err == "quantizing: measuring image 1 of 23\n"
