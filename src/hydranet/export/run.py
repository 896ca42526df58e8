"""A run as proven files, in one call: what `hydranet export` does without its options for experts."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from hydranet.checkpoint.checkpoint import load_model
from hydranet.config.recipe import Recipe
from hydranet.export.crops import plans
from hydranet.export.export import ExportPlan, export, opened, report_of, settle
from hydranet.export.graph import Shape
from hydranet.export.parity import Bounds, Parity, ParityError, measure, save
from hydranet.models.hydranet import HydraNet


def export_run(
    run: Path | str,
    folder: Path | str | None = None,
    *,
    targets: Sequence[str] = ("onnx",),
    heads: Sequence[str] | None = None,
    shape: Shape | None = None,
    limit: int = 100,
) -> list[Path]:
    """Writes a run for each target, proves that every runtime answers the same, and returns the model files.

    A recipe's cascades get graphs of their own for crops, in folders below that the files know (`export.crops`).
    Files of a target that no runtime here opens are not proven; manifest.json says so.

    run:     a run folder or model.safetensors.    folder: of the files; default: export/ in the run.
    targets: files in `hydranet.export.targets`, such as "onnx", "triton".    heads: tasks in the files; default: all.
    shape:   what the files take; default: one image at a time, of the first validation size.
    limit:   images of each validation source in the proof, evenly spread; 0 = all.
    Raises ParityError where a file does not answer the same, which is then kept as NAME.failed; CheckpointError for
    what is no run, DataError where no validation image can be read, SpecError for an unknown head or target,
    ImportError naming the extra that is not installed.
    """
    place = Path(run).resolve() if Path(run).is_dir() else Path(run).resolve().parent
    target = Path(folder) if folder else place / "export"
    model, recipe = load_model(run)
    whole = ExportPlan(targets, shape or Shape(recipe.sizes[0]), heads)
    paths: list[Path] = []
    for below, plan in plans(whole, recipe):
        paths = _written(model, recipe, target / below, plan, place, limit)
    return paths


def _written(model: HydraNet, recipe: Recipe, target: Path, plan: ExportPlan, place: Path, limit: int) -> list[Path]:
    """The proven files of one plan, in the folder `target`."""
    target.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".export-", dir=target) as draft:
        graph, drafts = export(model, recipe, Path(draft), plan, name=place.name, protocol=report_of(place))
        proofs: list[Parity] = []
        if sessions := opened(drafts):
            for step in measure(graph, sessions, recipe.validation or recipe.data, Bounds(), limit or None):
                proofs = step if isinstance(step, list) else proofs
        failed = {proof.file for proof in proofs if proof.failures}
        delivered = settle(Path(draft), target, [path for path in drafts if path.name not in failed])
    if passed := [proof for proof in proofs if proof.file not in failed]:
        save(target / "parity.json", passed)
    if failed:
        reason = next(failure for proof in proofs for failure in proof.failures)
        raise ParityError(f"{reason}; the file was renamed to .failed: use another runtime")
    return [target / made.files[0] for made in delivered.values()]
