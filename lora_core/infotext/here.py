"""What there is here of the files that a text names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ..library import named, named_but_for_case, nearest
from .record import FileName

_MOST_SHOWN = 5


@dataclass(frozen=True)
class Shelf:
    """The files of one kind as the host lists them. `search` finds what no name does; "" where it cannot."""

    names: Sequence[str] = ()
    search: Callable[[FileName], str] = field(default=lambda _: "")

    def find(self, wanted: FileName) -> str:
        """The file that is meant: by its name, in any case of letters, else as `search` finds it; empty if
        none is. The name counts first, as reading a checkpoint for its hash takes its time.
        """
        for find in (named, named_but_for_case):
            found = find(wanted.name, self.names) if wanted.name else []
            if len(found) == 1:
                return found[0]
        return self.search(wanted) if wanted else ""

    def candidates(self, wanted: FileName) -> tuple[str, ...]:
        """Files that may be meant, the likeliest first: those of the name, those of one like it, or any."""
        found = named_but_for_case(wanted.name, self.names) if wanted.name else []
        near = nearest(wanted.name, self.names) if wanted.name else []
        return tuple(dict.fromkeys(found or near or self.names))[:_MOST_SHOWN]


@dataclass(frozen=True)
class ModelFacts:
    """What a checkpoint's header tells: its family's id, empty if unknown; whether it has a text encoder."""

    family: str = ""
    has_encoder: bool = True


@dataclass(frozen=True)
class Here:
    """The files, samplers and schedules of a ComfyUI. `facts_of` tells what is in a checkpoint."""

    checkpoints: Shelf = Shelf()
    diffusion_models: Shelf = Shelf()
    text_encoders: Shelf = Shelf()
    vaes: Shelf = Shelf()
    loras: Shelf = Shelf()
    samplers: Sequence[str] = ()
    schedulers: Sequence[str] = ()
    facts_of: Callable[[str], ModelFacts] = field(default=lambda _: ModelFacts())


@dataclass(frozen=True)
class Missing:
    """Something that is not here: what it is, its name and hash in the text, what may stand for it, and the
    number of its node.
    """

    what: str
    name: str
    hash: str = ""
    candidates: tuple[str, ...] = ()
    node: int = 0

    def __str__(self) -> str:
        name = f" {self.name!r}" if self.name else ""
        hash = f" ({self.hash})" if self.hash else ""
        instead = f". Choose one of: {', '.join(self.candidates)}" if self.candidates else ""
        return f"no {self.what}{name}{hash} is here{instead}"
