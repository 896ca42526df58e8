"""The files that a comparison runs: a network and each of its heads alone, written for every runtime."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from hydranet.balancers.uniform import Uniform
from hydranet.bench import bare
from hydranet.bench.plan import EAGER, Files, Variant, emulated, processor
from hydranet.checkpoint.checkpoint import MODEL, save_model, without_pretrained
from hydranet.config.recipe import Recipe
from hydranet.core.sample import DataError, Sample
from hydranet.core.spec import Part, SpecError
from hydranet.datasets.scenes.dataset import Scenes
from hydranet.export.build_manifest import described
from hydranet.export.export import target
from hydranet.export.graph import Shape, example, shipped
from hydranet.export.passes.fold_batchnorm import folded
from hydranet.export.passes.rewrite_narrow_convs import narrowed
from hydranet.io.atomic import placed, write
from hydranet.models.hydranet import HydraNet
from hydranet.quantization import ptq
from hydranet.quantization.artifacts import rejection_reason
from hydranet.transforms.augment import fit

IMAGES = 8
"""Number of different frames, used in turn."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """A network to measure: its name in the table, weights (None = fresh ones) and recipe.

    accepted: folder where `hydranet quantize` puts accepted INT8 files, if there may be one.
    weights:  SHA-256 of the model file, which proves that accepted files were made from it.
    """

    name: str
    model: HydraNet | None
    recipe: Recipe
    accepted: Path | None = None
    weights: str = ""

    def network(self) -> HydraNet:
        """In eval mode."""
        return (self.model or without_pretrained(self.recipe).build()).eval()


def single_head(candidate: Candidate, heads: Sequence[str], name: str) -> Candidate:
    """A network with these heads and what they need, nothing else, with the candidate's weights where it has them.

    With hard sharing these are all weights; other structures are built differently for fewer tasks.
    Raises SpecError for an unknown head.
    """
    known = {task.name for task in candidate.recipe.tasks}
    for head in heads:
        if head not in known:
            raise SpecError(f"{candidate.name} has no head {head!r}, expected some of {', '.join(sorted(known))}")
    tasks = tuple(task for task in candidate.recipe.tasks if task.name in heads)
    recipe = replace(
        candidate.recipe,
        tasks=tasks,
        sharing=candidate.recipe.sharing_for(heads),
        stages=(),
        teachers=(),
        balancer=Part(Uniform),
    )
    model = without_pretrained(recipe).build()
    own, given = model.state_dict(), candidate.network().state_dict()
    model.load_state_dict({n: given[n] if n in given and given[n].shape == t.shape else t for n, t in own.items()})
    return Candidate(name, model.eval(), recipe)


def sets(candidate: Candidate, separate: bool) -> dict[str, list[Candidate]]:
    """The network, and where asked for the networks of its heads that do the same work one after another."""
    networks = {candidate.name: [candidate]}
    heads = [task.name for task in candidate.recipe.tasks]
    if separate and len(heads) > 1:
        networks[f"{candidate.name} separate"] = [
            single_head(candidate, [head], f"{candidate.name}-{head}") for head in heads
        ]
    return networks


def prepare(
    networks: dict[str, list[Candidate]],
    pairs: Sequence[tuple[str, str]],
    size: tuple[int, int],
    folder: Path,
    frames: Sequence[np.ndarray],
) -> Iterator[Variant | str]:
    """Writes what each pair of runtime and precision needs and yields the variants, network by network; a sentence for
    one that needs a package that is not installed.

    INT8 files are those that were accepted for a run; without, everything is quantized for the sake of its speed,
    with ranges from `frames`, and its accuracy is unknown.
    Raises SpecError for what cannot be exported, ImportError naming the extra where nothing else remains.
    """
    missing: ImportError | None = None
    written = 0
    for name, members in networks.items():
        caches = [ArtifactCache(member, size, folder / member.name, frames) for member in members]
        for runtime, precision in pairs:
            try:
                files = tuple(cache.files(runtime, precision) for cache in caches)
            except ImportError as error:
                missing = error
                yield f"left out: {name} in {runtime}, {precision}: {error}"
            else:
                written += 1
                yield Variant(name, runtime, precision, files)
    if missing and not written:
        raise missing


class ArtifactCache:
    """A folder with one network in the formats that were asked for."""

    def __init__(self, candidate: Candidate, size: tuple[int, int], folder: Path, frames: Sequence[np.ndarray]) -> None:
        self.candidate, self.folder, self.frames = candidate, folder, frames
        model = candidate.network()
        self.shape = Shape(size, focal_px=float(size[1]) if model.needs_camera else None)
        save_model(folder, model, candidate.recipe)
        self.graph = shipped(model, None, self.shape)
        alone = narrowed(folded(bare.Bare(model, self.shape), *example(self.shape)))
        assert isinstance(alone, bare.Bare)
        self.bare = alone
        self.manifest = described(self.graph, candidate.recipe, candidate.name)
        self.bare_manifest = bare.manifest(self.bare, candidate.name)
        write(folder / "manifest.json", self.manifest.to_json().encode())
        write(folder / "bare.json", self.bare_manifest.to_json().encode())

    def files(self, runtime: str, precision: str) -> Files:
        """The files of one runtime, written now unless they exist."""
        if runtime in EAGER:
            return Files(str(self.folder / MODEL), str(self.folder / f"{MODEL}#bare"))
        if precision.startswith("int8"):
            return self._int8(runtime)
        module = target(runtime)
        graph, alone = self.folder / f"model{module.SUFFIX}", self.folder / f"bare{module.SUFFIX}"
        given = example(self.shape)
        if not graph.is_file():
            with placed(alone) as draft:
                module.write(self.bare, given, draft, self.bare_manifest)
            with placed(graph) as draft:  # the last: where it is, both are
                module.write(self.graph, given, draft, self.manifest)
        return Files(str(graph), str(alone))

    def _int8(self, runtime: str) -> Files:
        place = self.candidate.accepted
        why = rejection_reason(place, runtime, self.shape.size, self.candidate.weights)
        if place is not None and not why:
            return Files(str(place / f"model{ptq.TARGETS[runtime]}"))
        images = [fit(Sample(frame), self.shape.size)[0].image[None] for frame in self.frames]
        made: list[str] = []
        for graph, manifest, stem in ((self.graph, self.manifest, "model"), (self.bare, self.bare_manifest, "bare")):
            path = self.folder / "int8" / f"{stem}{ptq.TARGETS[runtime]}"
            if not path.is_file():
                ptq.write(ptq.floating(graph, manifest), runtime, (), images, path, replace(manifest, precision="int8"))
            made.append(str(path))
        return Files(made[0], made[1], why)


def images(candidate: Candidate, frame: tuple[int, int] | None) -> tuple[list[np.ndarray], str]:
    """uint8 h w 3 frames, of size `frame` if it is given, and a word on where they are from.

    They are the first validation source's, evenly spread; generated scenes where its data is not at hand.
    """
    recipe = candidate.recipe
    source = (recipe.validation or recipe.data)[0]
    try:
        chosen = np.linspace(0, len(source.dataset) - 1, IMAGES).astype(int)
        frames, where = [source.dataset[int(i)].image for i in chosen], f"validation source {source.name}"
    except (DataError, SpecError, OSError):  # not at hand, or of a class that is not
        scenes = Scenes(count=IMAGES, seed=7, labels=())
        frames, where = [scenes[i].image for i in range(IMAGES)], "generated scenes (the recipe's data is not here)"
    if frame is not None:
        frames = [cv2.resize(image, frame[::-1], interpolation=cv2.INTER_AREA) for image in frames]
    return [image for image in frames if image.shape == frames[0].shape], where


def notes(candidates: Sequence[Candidate], pairs: Sequence[tuple[str, str]]) -> list[str]:
    """What a reader of the table must know beforehand: random weights, emulated precisions."""
    flags = processor()[1]
    sentences = [text for precision in dict.fromkeys(p for _, p in pairs) if (text := emulated(precision, flags))]
    return sentences + [f"{one.name} has random weights" for one in candidates if one.model is None]


def unchecked(variants: Sequence[Variant]) -> list[str]:
    """A sentence on each variant whose INT8 was not checked, judged by the files that it really runs."""
    why = {v: "; ".join(dict.fromkeys(file.unproven for file in v.files if file.unproven)) for v in variants}
    sentences = (
        f"INT8 of {variant.network} in {variant.runtime} is for speed alone: no budget was checked ({reason})"
        for variant, reason in why.items()
        if reason
    )
    return list(dict.fromkeys(sentences))  # int8 and int8-bf16 run the same file
