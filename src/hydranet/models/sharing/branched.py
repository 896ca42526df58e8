"""Branched sharing: tasks part ways stage by stage, in a tree (Lu et al., CVPR 2017, arXiv 1611.05377)."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from hydranet.core.features import MakeDecoder, MakeEncoder, Pyramid, Reads
from hydranet.core.spec import SpecError
from hydranet.models.columns import Groups, TaskGroups, checked_groups, groups_of, staged

Tree = tuple[tuple[tuple[str, ...], ...], ...]
"""Groups of tasks for each stage of the encoder, the first stage first, and then for the decoder."""


class Branched(TaskGroups):
    """A tree: where a group of tasks splits, each part goes on with stages of its own.

    tree: groups of tasks for each stage of the encoder, and then for the decoder. A group lies within one group of the
          stage before. A shorter tree is continued with its last groups; default: one encoder, a decoder per task.
    Raises SpecError for a tree with more entries than stages, for groups that do not hold each task once or that join
    what has parted, and for an encoder that is no chain of stages.
    """

    def __init__(self, reads: Mapping[str, Reads], encoder: MakeEncoder, decoder: MakeDecoder, tree: Tree = ()) -> None:
        whole = staged(encoder(), type(self).__name__)
        stages = len(whole.segments())
        checked = checked_tree(tree, list(reads), stages)
        super().__init__(reads, checked[-1])
        self.tree = checked
        self.parted = next((i for i, groups in enumerate(self.tree[:-1]) if len(groups) > 1), stages)
        chains = [whole.segments()]
        self._there = [_names_in(whole, segment) for segment in chains[0]]
        nodes: dict[str, nn.Module] = {}
        for stage, groups in enumerate(self.tree[:-1]):
            while len(chains) < len(groups):
                chains.append(staged(encoder(), type(self).__name__).segments())
            nodes |= {_node(stage, group): chain[stage] for group, chain in zip(groups, chains, strict=False)}
        self.encoder = nn.ModuleDict(nodes)
        self._add_decoders(decoder, whole.features)

    @classmethod
    def options_for(cls, options: Mapping[str, Any], tasks: Collection[str]) -> dict[str, Any]:
        given = {"tree": tuple(groups_of(groups, tasks) for groups in options["tree"])} if options.get("tree") else {}
        return {**options, **given}

    def hard_names(self) -> dict[str, str]:
        names = super().hard_names()
        for node, made in self.encoder.items():
            there = self._there[int(node.partition("-")[0])]
            names |= {f"encoder.{node}.{name}": f"encoder.{there[name]}" for name in made.state_dict()}
        return names

    def shared(self, image: Tensor) -> Pyramid:
        levels = [image]
        for stage in range(self.parted):
            levels.append(self.encoder[_node(stage, self.tree[stage][0])](levels[-1]))
        return levels[1:] or levels

    def branch(self, features: Pyramid, tasks: Sequence[str]) -> dict[str, Pyramid]:
        begun = features if self.parted else []
        made: dict[str, Tensor] = {}
        taps: dict[str, Pyramid] = {}
        for name in dict.fromkeys(self.name_of[task] for task in tasks):
            x, levels = features[-1], list(begun)
            for stage in range(self.parted, len(self.tree) - 1):
                node = _node(stage, next(group for group in self.tree[stage] if name in group))
                if node not in made:
                    made[node] = self.encoder[node](x)
                x = made[node]
                levels.append(x)
            taps[name] = levels
        return self._read(taps, tasks)


def checked_tree(tree: Sequence[Sequence[Sequence[str]]], tasks: Sequence[str], stages: int) -> Tree:
    """The tree with groups for each stage and for the decoder. Raises SpecError as `Branched` says."""
    if len(tree) > stages + 1:
        raise SpecError(
            f"got a tree of {len(tree)} entries, expected at most {stages + 1}: {stages} stages of the encoder, and "
            "the decoder"
        )
    together: Groups = (tuple(tasks),)
    given = [checked_groups(groups, tasks) for groups in tree]
    if not given:
        return (together,) * stages + (checked_groups((), tasks),)
    for before, after in zip([together, *given], given, strict=False):
        for group in after:
            if not any(set(group) <= set(wider) for wider in before):
                raise SpecError(
                    f"got group {list(group)} after {[list(wider) for wider in before]}, expected one that lies within "
                    "a group of the stage before: what has parted stays apart"
                )
    return tuple(given) + (given[-1],) * (stages + 1 - len(given))


def _names_in(encoder: nn.Module, segment: nn.Module) -> dict[str, str]:
    """For each tensor of a segment its name in the encoder that it was cut from."""
    names = {id(tensor): name for name, tensor in encoder.state_dict(keep_vars=True).items()}
    return {name: names[id(tensor)] for name, tensor in segment.state_dict(keep_vars=True).items()}


def _node(stage: int, group: Sequence[str]) -> str:
    return f"{stage}-{group[0]}"
