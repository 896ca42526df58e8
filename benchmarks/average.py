"""The mean of the weights of several runs of one network, as a run of its own.

    python benchmarks/average.py RUN RUN... --out RUN

Runs of which one began with the weights of the other lie in one valley, where the mean is often better than each
(Wortsman et al., "Model soups", ICML 2022, arXiv 2203.05482). `hydranet evaluate RUN` says whether it is.
"""

import argparse
from pathlib import Path

import torch

from hydranet.checkpoint.checkpoint import load_model, save_model


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("runs", nargs="+", type=Path)
    given.add_argument("--out", type=Path, required=True)
    asked = given.parse_args()
    loaded = [load_model(run) for run in asked.runs]
    model, recipe = loaded[-1]
    weights = [one.state_dict() for one, _ in loaded]
    for run, one in zip(asked.runs, weights, strict=True):
        if {n: t.shape for n, t in one.items()} != {n: t.shape for n, t in weights[-1].items()}:
            raise SystemExit(f"{run} is another network than {asked.runs[-1]}; give runs of one recipe")
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if tensor.is_floating_point():
                tensor.copy_(torch.stack([one[name].double() for one in weights]).mean(0))
    save_model(asked.out, model, recipe)
    print(f"{asked.out}: the mean of {len(loaded)} runs")


if __name__ == "__main__":
    main()
