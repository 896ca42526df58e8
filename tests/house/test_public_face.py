"""The public names of hydranet: which there are, that they mean what their modules say, and that they cost nothing."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import hydranet
from commands import hydranet as command
from hydranet.core import extras
from hydranet.deploy.session import known

ROOT = Path(__file__).parents[2]
NAMES = {
    *("Recipe", "Source", "Optim", "Part", "Task", "Dataset", "Sample", "Camera", "Predictor", "Runtime"),
    *("ClassMap", "ScalarMap", "NormalMap", "Boxes", "Polylines", "Keypoints", "Tag", "Quantity"),
    *("train", "evaluate", "export", "load", "__version__"),
}
WITHOUT_TORCH = ("Predictor", "Runtime", "Camera", "Sample", "Boxes", "Dataset", "Part", "__version__")


def run(program: str, *arguments: object) -> str:
    call = [sys.executable, "-c", program, *map(str, arguments)]
    done = subprocess.run(call, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_names_are_these_and_each_can_be_loaded() -> None:
    assert set(hydranet.__all__) == NAMES <= set(dir(hydranet))
    for name in NAMES:
        assert getattr(hydranet, name) is not None
    from hydranet.annotations import Boxes
    from hydranet.checkpoint.checkpoint import load_model
    from hydranet.config.recipe import Recipe

    assert hydranet.Recipe is Recipe
    assert hydranet.Boxes is Boxes
    assert hydranet.load is load_model
    assert callable(hydranet.export)  # a package that can be called
    with pytest.raises(AttributeError, match="module 'hydranet' has no attribute 'Recipes'"):
        hydranet.Recipes  # noqa: B018


def test_importing_hydranet_takes_no_time_and_no_package() -> None:
    out = run(
        "import time; begin = time.process_time(); import hydranet; took = time.process_time() - begin\n"
        "import sys; loaded = {'torch', 'numpy', 'cv2', 'typer', 'rich'} & set(sys.modules)\n"
        "assert not loaded, loaded\nprint(took)"
    )
    assert float(out) < 0.2


def test_what_predicts_from_files_imports_no_torch() -> None:
    loads = "\n".join(f"hydranet.{name}" for name in WITHOUT_TORCH)
    run(f"import hydranet\n{loads}\nimport sys\nassert 'torch' not in sys.modules and 'jaxtyping' not in sys.modules")


@pytest.mark.slow  # interpreters that import everything
def test_export_is_a_function_and_a_package_in_any_order(tmp_path: Path) -> None:
    for first in ("import hydranet.export.graph", "pass"):
        run(
            f"{first}\nimport hydranet\nfrom hydranet import export\nfrom hydranet.export.graph import Shape\n"
            "import hydranet.export.export as inner\nassert callable(export) and inner.export and Shape\n"
            "try: export('nowhere')\n"
            "except Exception as error: assert 'no run or model at nowhere' in str(error), error\n"
            "else: assert False"
        )


def test_the_version_is_that_of_the_package() -> None:
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert hydranet.__version__ == wanted
    ended = command("--version")
    assert (ended.code, ended.out.strip()) == (0, wanted)


def test_the_module_is_the_command() -> None:
    call = [sys.executable, "-m", "hydranet", "--version"]
    done = subprocess.run(call, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == hydranet.__version__


@pytest.mark.slow  # it reads the whole package and torch's types
def test_checkers_see_types(tmp_path: Path) -> None:
    assert (ROOT / "src" / "hydranet" / "py.typed").is_file()
    pytest.importorskip("mypy")
    program = (
        "import hydranet\n"
        "from hydranet import Predictor, export, train\n"
        "predictor = Predictor('runs/road', runtime=hydranet.Runtime(device='cuda'))\n"
        "reveal_type(predictor)\nreveal_type(export('runs/road'))\nreveal_type(hydranet.load)\nPredictor(1.5)\n"
    )
    options = ("--config-file=", "--follow-imports=silent", "--ignore-missing-imports")
    call = [sys.executable, "-m", "mypy", *options, "-c", program]
    done = subprocess.run(call, capture_output=True, text=True, check=False, timeout=500, cwd=tmp_path)
    assert '"hydranet.inference.predictor.Predictor"' in done.stdout
    assert '"list[pathlib.Path]"' in done.stdout or '"builtins.list[pathlib.Path]"' in done.stdout
    assert done.stdout.count("error:") == 1, done.stdout  # the wrong path, and nothing else
    assert 'Argument 1 to "Predictor" has incompatible type "float"' in done.stdout


# --- extras -------------------------------------------------------------------------------------------------------


def test_every_extra_that_a_sentence_names_exists() -> None:
    named = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(extras.EXTRAS.values()) <= set(named)
    texts = [path.read_text() for path in (ROOT / "src").rglob("*.py")]
    words = {part.partition("]")[0] for text in texts for part in text.split('"hydranet[')[1:]}
    words |= {part.partition("]")[0] for text in texts for part in text.split('\\"hydranet[')[1:]}
    assert {word for word in words if word.isidentifier()} <= set(named)


@pytest.mark.parametrize(
    ("words", "extra"),
    [(("train", "demo"), "train"), (("info", "demo"), "train"), (("evaluate", "runs/x"), "train")],
)
def test_commands_without_torch_end_with_one_sentence(words: tuple[str, ...], extra: str) -> None:
    program = (
        "import sys; sys.modules['torch'] = None; sys.argv = ['hydranet', *sys.argv[1:]]\n"
        "from hydranet.cli.main import main; main()"
    )
    call = [sys.executable, "-c", program, *words]
    done = subprocess.run(call, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1
    assert done.stderr == f'error: this command needs torch, which is not installed; pip install "hydranet[{extra}]"\n'


def test_a_public_name_without_torch_names_the_extra() -> None:
    out = run(
        "import sys; sys.modules['torch'] = None\nimport hydranet\n"
        "try: hydranet.Recipe\nexcept ImportError as error: print(error)"
    )
    assert out == 'hydranet.Recipe needs torch, which is not installed; pip install "hydranet[train]"\n'


def test_an_error_of_another_module_keeps_its_words() -> None:
    with pytest.raises(ImportError, match="No module named 'nobody_wrote_this'"), extras.needing("this"):
        import nobody_wrote_this  # noqa: F401
    for _, module in known():
        assert isinstance(module.PRECISIONS, dict)
