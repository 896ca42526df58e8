"""Gradients rotated and scaled to be orthogonal and of equal length (Senushkin et al., CVPR 2023)."""

from torch import Tensor

from hydranet.core.balancer import At, GramianWeighting


class AlignedMTL(GramianWeighting):
    """G^(-1/2) sqrt(lambda_min) 1 (arXiv 2305.19000, eq. 12): for badly conditioned gradients. TorchJD's."""

    scale = "sensitive"

    def __init__(self, tasks: tuple[str, ...], at: At = "auto", every: int | None = None) -> None:
        super().__init__(tasks, at, every)
        try:
            from torchjd.aggregation import AlignedMTLWeighting
        except ImportError as error:
            raise ImportError('AlignedMTL needs TorchJD; pip install "hydranet[train]"') from error
        self.weighting = AlignedMTLWeighting()

    def solve(self, gramian: Tensor) -> Tensor:
        return len(gramian) * self.weighting(gramian.float())
