"""What a command imports, and the processor time it costs before it works: a user waits for no package unused."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
OLD_RUN = ROOT / "tests" / "fixtures" / "v0_1" / "run"
SLACK = 2.0
"""A busy or slow machine may take so many times the goal."""


def seconds(program: str, *arguments: object, unloaded: tuple[str, ...]) -> float:
    """Processor time of a program in a fresh interpreter, which must not have loaded these modules at its end."""
    end = (
        f"\nimport sys, time\nloaded = [name for name in {unloaded!r} if name in sys.modules]\n"
        "assert not loaded, loaded\nsys.__stdout__.write(f'\\n{time.process_time()}')"
    )
    call = [sys.executable, "-c", program + end, *map(str, arguments)]
    done = subprocess.run(call, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return float(done.stdout.splitlines()[-1])


def command(*words: object) -> str:
    return f"import sys; sys.argv = {['hydranet', *map(str, words)]!r}\nfrom hydranet.cli.main import main\n" + (
        "try: main()\nexcept SystemExit as end: assert not end.code, end.code\n"
    )


def test_list_takes_seconds_and_no_torch() -> None:
    assert seconds(command("list"), unloaded=("torch", "cv2")) < 3 * SLACK


def test_report_takes_seconds_and_no_torch(tmp_path: Path) -> None:
    line = '{"step": 1, "losses": {"depth": 1.0}, "parts": {}, "weights": {}, "cosines": {}}\n'
    (tmp_path / "log.jsonl").write_text(line)
    assert seconds(command("report", tmp_path), unloaded=("torch",)) < 3 * SLACK


def test_recipes_and_runs_are_loaded_without_the_packages_that_only_networks_need() -> None:
    program = "import sys\nfrom hydranet.checkpoint import resolve\nfor name in sys.argv[1:]: resolve.recipe(name)"
    assert seconds(program, "demo", "road", OLD_RUN, unloaded=("torchvision", "timm", "torchjd")) < 5 * SLACK
