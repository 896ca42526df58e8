"""One run of a sweep as a process of its own: python -m hydranet.cli.sweep_run RECIPE FOLDER DEVICE"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hydranet.config.recipe import Recipe


def train_below(recipe: "Recipe", folder: Path, device: str, stop: list[int] | None = None) -> None:
    """Trains a recipe into a folder of a sweep, or goes on where that was stopped."""
    from hydranet.checkpoint.checkpoint import STATE
    from hydranet.cli.train import run_training_loop
    from hydranet.models.device import available_device

    resume, again = (folder / STATE).is_file(), "the same command"
    run_training_loop(recipe, folder, device=available_device(device), resume=resume, again=again, stop=stop)


def main(arguments: list[str]) -> None:
    """Makes the classes of the user's own file known, then trains."""
    from hydranet.checkpoint import resolve
    from hydranet.checkpoint.checkpoint import RECIPE, load_recipe

    recipe, folder, device = arguments
    if recipe.partition(":")[0].endswith(".py"):
        resolve.recipe(recipe)
    train_below(load_recipe(Path(folder) / RECIPE), Path(folder), device)


if __name__ == "__main__":
    from hydranet.cli.main import ending_in_a_sentence

    with ending_in_a_sentence():
        main(sys.argv[1:])
