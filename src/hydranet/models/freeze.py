"""Parts of a network that must not change while the rest learns."""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import partial

from torch import nn

from hydranet.core.spec import SpecError, unknown


def freeze(module: nn.Module) -> None:
    """Keeps a module as it is, bit by bit: no gradients, eval mode for everything inside, and `train()` cannot undo it.

    Without the second half BatchNorm would go on averaging, and dropout would go on dropping. Gradients that are
    already there are forgotten: an optimizer moves whatever has one, if only by momentum and weight decay.
    """
    for parameter in module.parameters():
        _still(parameter)
    module.eval()
    for part in module.modules():
        part.train = partial(_stay, part)  # type: ignore[method-assign]


def unfreeze(module: nn.Module, training: bool = True) -> None:
    """The way back from `freeze`; all parameters learn again."""
    for part in module.modules():
        part.__dict__.pop("train", None)
    module.requires_grad_(True)
    module.train(training)


class Frozen:
    """The parts of a network that name patterns choose, frozen until `undo`.

    patterns: dotted names of modules or parameters as `named_modules` has them, with * and ? ("trunk.encoder",
              "trunk.decoder.*", "heads.d*"). A parameter chosen alone only loses its gradient.
    names:    the entries of `state_dict` that stay as they are.
    Raises SpecError, before anything is frozen, for a pattern that matches nothing.
    """

    def __init__(self, model: nn.Module, patterns: Iterable[str]) -> None:
        modules, parameters = dict(model.named_modules()), dict(model.named_parameters())
        chosen = {name for pattern in patterns for name in matching([*modules, *parameters], pattern)}
        inside = [part for name in chosen if name in modules for part in modules[name].modules()]
        self._modes = {part: part.__dict__.get("train") for part in inside}
        touched = [p for name in chosen if name in modules for p in modules[name].parameters()]
        touched += [parameters[name] for name in chosen if name in parameters]
        self._learning = [parameter for parameter in dict.fromkeys(touched) if parameter.requires_grad]
        inner = tuple(f"{name}." for name in chosen if name in modules)
        self.names = frozenset(name for name in model.state_dict() if name in chosen or name.startswith(inner))
        for name in chosen:
            if name in modules:
                freeze(modules[name])
            else:
                _still(parameters[name])

    def undo(self) -> None:
        """What was frozen here learns again; what was frozen before stays frozen. The caller sets the mode anew."""
        for part, before in self._modes.items():
            part.__dict__.pop("train", None)
            if before is not None:
                part.train = before
        for parameter in self._learning:
            parameter.requires_grad_(True)


def matching(names: Iterable[str], pattern: str) -> list[str]:
    """The dotted names that a pattern chooses; "trunk.encoder.*" means trunk.encoder as a whole, too.

    Raises SpecError with a suggestion where nothing matches.
    """
    names = [name for name in names if name]
    matches = [n for n in names if fnmatchcase(n, pattern) or fnmatchcase(n, pattern.removesuffix(".*"))]
    if not matches:
        depth = max(pattern.count("."), 1)
        raise SpecError(unknown(pattern, [n for n in names if n.count(".") <= depth], "part of the network"))
    return matches


def _still(parameter: nn.Parameter) -> None:
    parameter.requires_grad_(False)
    parameter.grad = None


def _stay(part: nn.Module, mode: bool = True) -> nn.Module:
    return part
