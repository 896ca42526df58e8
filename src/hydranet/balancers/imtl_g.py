"""Equal projections onto all task gradients (Liu et al., ICLR 2021, "Towards impartial multi-task learning")."""

from torch import Tensor

from hydranet.core.balancer import At, GramianWeighting


class IMTLG(GramianWeighting):
    """G w ~ (|g_t|), sum w = T (eq. 6): weights may be negative; unstable where gradients oppose. TorchJD's."""

    scale = "invariant"

    def __init__(self, tasks: tuple[str, ...], at: At = "auto", every: int | None = None) -> None:
        super().__init__(tasks, at, every)
        try:
            from torchjd.aggregation import IMTLGWeighting
        except ImportError as error:
            raise ImportError('IMTLG needs TorchJD; pip install "hydranet[train]"') from error
        self.weighting = IMTLGWeighting()

    def solve(self, gramian: Tensor) -> Tensor:
        return len(gramian) * self.weighting(gramian.float())
