"""Random numbers that a step draws anew each time, as dropout does: the same ones for the same seed."""

import torch


def seed_generators(seed: int) -> None:
    """Seeds the generators of the processor and of the accelerators that this process uses.

    As `torch.manual_seed`, which also notes the whole stack of callers for every accelerator that is not in use: 5 ms
    a call, several calls a step.
    """
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(seed)
    if torch.backends.mps.is_available():
        torch.mps.manual_seed(seed)
