"""Each task gradient without what conflicts with others (Yu et al., NeurIPS 2020, arXiv 2001.06782)."""

import torch
from torch import Tensor

from hydranet.core.balancer import At, GramianWeighting


class PCGrad(GramianWeighting):
    """Each g_t loses its component against every other g_s it conflicts with, in random order (alg. 1). TorchJD's.

    seed: of the order, which is drawn from the step's number: runs repeat, and processes agree.
    """

    scale = "sensitive"

    def __init__(self, tasks: tuple[str, ...], seed: int = 0, at: At = "auto", every: int | None = None) -> None:
        super().__init__(tasks, at, every)
        try:
            from torchjd.aggregation import PCGradWeighting
        except ImportError as error:
            raise ImportError('PCGrad needs TorchJD; pip install "hydranet[train]"') from error
        self.seed, self.weighting = seed, PCGradWeighting()

    def solve(self, gramian: Tensor) -> Tensor:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(self.seed * 1_000_003 + int(self.step))
            return self.weighting(gramian.float())
