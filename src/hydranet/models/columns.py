"""Encoders and decoders side by side, each for a group of tasks: what structures that split or mix have in common."""

from abc import abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from hydranet.core.checks.ranges import check_range
from hydranet.core.features import (
    Decoder,
    Encoder,
    Features,
    MakeDecoder,
    MakeEncoder,
    Pyramid,
    Reads,
    StagedEncoder,
    Trunk,
)
from hydranet.core.spec import SpecError

Groups = tuple[tuple[str, ...], ...]
"""Names of tasks by group; a group is called after its first task."""

PARTS = ("encoder", "decoder")
"""Of a hard-shared trunk."""


def checked_groups(groups: Sequence[Sequence[str]], tasks: Iterable[str]) -> Groups:
    """The groups, or one per task where none are given. Raises SpecError unless each task is in exactly one."""
    names = list(tasks)
    chosen = tuple(tuple(group) for group in groups) or tuple((name,) for name in names)
    listed = [name for group in chosen for name in group]
    if sorted(listed) != sorted(names) or not all(chosen):
        raise SpecError(
            f"got groups {[list(group) for group in chosen]}, expected each task of {', '.join(names)} in one group"
        )
    return chosen


def groups_of(groups: Sequence[Sequence[str]], tasks: Collection[str]) -> Groups:
    """The groups without other tasks, and without groups that are empty then."""
    kept = (tuple(name for name in group if name in tasks) for group in groups)
    return tuple(group for group in kept if group)


def staged(encoder: Encoder, structure: str) -> StagedEncoder:
    """The encoder itself. Raises SpecError where it cannot be cut into stages."""
    if not isinstance(encoder, StagedEncoder):
        raise SpecError(
            f"got encoder {type(encoder).__name__}, which is no chain of stages, for {structure}; choose MobileNetV2, "
            "or derive it from StagedEncoder"
        )
    return encoder


class TaskGroups(Trunk):
    """A trunk with a decoder, and perhaps an encoder, per group of tasks.

    Subclasses call `_add_decoders` when their encoders are there, and `_read` with what these made.
    Raises SpecError for groups that do not hold each task once.
    """

    def __init__(self, reads: Mapping[str, Reads], groups: Sequence[Sequence[str]]) -> None:
        super().__init__()
        self.reads, self.groups = dict(reads), checked_groups(groups, reads)
        self.name_of = {task: group[0] for group in self.groups for task in group}

    @classmethod
    def options_for(cls, options: Mapping[str, Any], tasks: Collection[str]) -> dict[str, Any]:
        given = {"groups": groups_of(options["groups"], tasks)} if options.get("groups") else {}
        return {**options, **given}

    def _add_decoders(self, make: MakeDecoder, taps: Features) -> None:
        """A decoder for each group in which a task reads one; and what each task's head reads.

        taps: of the encoder, one and the same for all groups.
        """
        wanted = [group[0] for group in self.groups if any(self.reads[task] == "decoder" for task in group)]
        self.decoder = nn.ModuleDict({name: make(taps) for name in wanted})
        levels = {name: made.features for name, made in self.decoder.items() if isinstance(made, Decoder)}
        self.features: dict[str, Features] = {
            task: levels[self.name_of[task]] if read == "decoder" else taps for task, read in self.reads.items()
        }

    def hard_names(self) -> dict[str, str]:
        """Decoders, and encoders where there are several, are copies of the one of a hard-shared trunk."""
        several = {part for part, made in self.named_children() if part in PARTS and isinstance(made, nn.ModuleDict)}
        parted = {name: name.split(".", 2) for name in self.state_dict()}
        return {name: f"{words[0]}.{words[2]}" for name, words in parted.items() if words[0] in several}

    def _read(self, taps: Mapping[str, Pyramid], tasks: Sequence[str]) -> dict[str, Pyramid]:
        """For each task what its head reads; a group's decoder runs once. taps: by group, its encoder's levels."""
        asked = dict.fromkeys(self.name_of[task] for task in tasks if self.reads[task] == "decoder")
        levels = {name: self.decoder[name](taps[name]) for name in asked}
        return {
            task: (levels if self.reads[task] == "decoder" else taps)[self.name_of[task]]  # shared within a group
            for task in tasks
        }


class MixedColumns(TaskGroups):
    """An encoder and a decoder per group of tasks; after each stage, what the encoders made is mixed.

    Nothing is shared but what mixes, so `shared` hands on the image, and every task costs all encoders.

    groups: of tasks that have one column together; default: each task has its own.
    keep:   what a column keeps of its own features at the start, above 0 and at most 1; the rest comes from the others
            in equal parts. With a single column nothing is mixed.
    Raises SpecError for groups that do not hold each task once, and for an encoder that is no chain of stages.
    """

    def __init__(
        self,
        reads: Mapping[str, Reads],
        encoder: MakeEncoder,
        decoder: MakeDecoder,
        groups: tuple[tuple[str, ...], ...] = (),
        keep: float = 0.9,
    ) -> None:
        check_range("sharing.keep", keep, 0, 1, above=True)
        super().__init__(reads, groups)
        made = {group[0]: staged(encoder(), type(self).__name__) for group in self.groups}
        taps = next(iter(made.values())).features
        self.encoder = nn.ModuleDict(made)
        self.mix = nn.ModuleList(self.mixer(len(made), tap.channels, keep) for tap in taps)
        self._add_decoders(decoder, taps)

    @abstractmethod
    def mixer(self, columns: int, channels: int, keep: float) -> nn.Module:
        """What mixes one level: a list of tensors b c h w, one per column, to a list of the same shapes."""

    def shared(self, image: Tensor) -> Pyramid:
        return [image]

    def branch(self, features: Pyramid, tasks: Sequence[str]) -> dict[str, Pyramid]:
        chains = [column.segments() for column in self.encoder.values() if isinstance(column, StagedEncoder)]
        x = [features[0]] * len(chains)
        taps: dict[str, Pyramid] = {name: [] for name in self.encoder}
        for stage, mix in enumerate(self.mix):
            x = mix([chain[stage](before) for chain, before in zip(chains, x, strict=True)])
            for levels, level in zip(taps.values(), x, strict=True):
                levels.append(level)
        return self._read(taps, tasks)
