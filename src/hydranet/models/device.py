"""Devices that this machine offers."""

from hydranet.core.spec import SpecError


def available_device(name: str) -> str:
    """The name of a device that this machine offers. Raises SpecError for any other."""
    import torch

    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).partition("\n")[0].partition(". ")[0]
        raise SpecError(f"got device {name!r}, which this machine does not offer ({reason}); try cpu") from error
    return name
