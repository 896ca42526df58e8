"""The network: what tasks share, and one head for each of them."""

from collections.abc import Iterable, Sequence

from jaxtyping import Float
from torch import Tensor, nn

from hydranet.annotations import Annotation
from hydranet.core.checks.names import check_names
from hydranet.core.features import SIDES, Pyramid, Trunk
from hydranet.core.spec import SpecError, unknown
from hydranet.core.task import Cameras, Raw, Task


class HydraNet(nn.Module):
    """A trunk and a head for each task.

    Raises SpecError where two tasks have one name, or one has a name that cannot be a key.
    """

    def __init__(self, trunk: Trunk, tasks: Sequence[Task]) -> None:
        super().__init__()
        names = [task.name for task in tasks]
        if len(set(names)) != len(names):
            raise SpecError(f"got tasks {names}, expected every name once; rename one (Task.name)")
        check_names(names, "task")
        taken = [name for name in names if name in dir(nn.ModuleDict)]
        if taken:
            raise SpecError(f"got tasks named {taken}, expected no word of torch (type, keys); rename them")
        self.tasks = {task.name: task for task in tasks}
        self.trunk = trunk
        self.heads = nn.ModuleDict({task.name: task.head(trunk.features[task.name]) for task in tasks})
        self.usual_focal: float | None = None
        """Mean focal length of the images it was trained on, over the width of its input; None = nobody knows."""

    def forward(self, image: Float[Tensor, "b 3 h w"], tasks: Sequence[str] | None = None) -> dict[str, Raw]:
        """Raw outputs of the tasks asked for (default: all); costs only what these need.

        image: RGB in 0..1; height and width are multiples of 4 (`Trunk.forward` pads to the coarsest stride). Raises
        ValueError otherwise, and SpecError for an unknown task.
        """
        names = self._chosen(tasks)
        if image.shape[-2] % SIDES or image.shape[-1] % SIDES:
            raise ValueError(
                f"got an image of {image.shape[-2]} x {image.shape[-1]} pixels, expected multiples of {SIDES}; "
                "letterbox it first (hydranet.transforms.warp.letterbox) or use Predictor"
            )
        return self.answer(self.trunk(image, names))

    def answer(self, pyramids: dict[str, Pyramid]) -> dict[str, Raw]:
        """The heads alone, on pyramids from the trunk."""
        return {name: self.heads[name](pyramid) for name, pyramid in pyramids.items()}

    def decode(self, raw: dict[str, Raw], camera: Cameras | None = None) -> dict[str, Annotation]:
        """Raw outputs to stacked annotations in pixels of the network's input.

        camera: of the images, as in `Batch.camera`; only tasks that need it read it. Raises ValueError where one does
        and it is None.
        """
        return {name: self.tasks[name].with_camera(camera).decode(output) for name, output in raw.items()}

    @property
    def needs_camera(self) -> tuple[str, ...]:
        """The tasks whose answers depend on the camera."""
        return tuple(name for name, task in self.tasks.items() if task.needs_camera)

    def subset(self, *names: str) -> "HydraNet":
        """A network with these heads only, sharing weights with this one. Raises SpecError for an unknown task."""
        smaller = HydraNet.__new__(HydraNet)
        nn.Module.__init__(smaller)
        chosen = self._chosen(names)
        smaller.tasks = {name: self.tasks[name] for name in chosen}
        smaller.trunk = self.trunk
        smaller.heads = nn.ModuleDict({name: self.heads[name] for name in chosen})
        smaller.training = self.training
        smaller.usual_focal = self.usual_focal
        return smaller

    def _chosen(self, names: Iterable[str] | None) -> list[str]:
        chosen = list(self.tasks) if names is None else list(names)
        for name in chosen:
            if name not in self.tasks:
                raise SpecError(unknown(name, self.tasks, "task of this network"))
        if not chosen:
            raise SpecError(f"got no task, expected at least one of {', '.join(self.tasks)}")
        return chosen
