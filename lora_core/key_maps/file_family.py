"""The family of models a LoRA was made for: from its layers, its header, or what is said beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..adapters import input_width
from ..families import Shapes, family, family_called
from ..reading import Grouped
from .guess import guess_family

_KEYS = "its layers"
_WRITTEN = ("ss_base_model_version", "modelspec.architecture")


@dataclass(frozen=True)
class FileFamily:
    """Ids of the families a file may be for, none when nothing tells, and what told them."""

    ids: tuple[str, ...] = ()
    source: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """What people call the families."""
        return tuple(family(id).title for id in self.ids)

    @property
    def name(self) -> str:
        """The name of the family, where it is certain; else empty."""
        return self.names[0] if len(self.ids) == 1 else ""

    def fits(self, model: str) -> bool:
        """Whether a model of the family of this id may be the one; True where nothing tells."""
        return not self.ids or model in self.ids

    def __str__(self) -> str:
        return " or ".join(self.names) or "unknown"


def family_of_file(
    metadata: Mapping[str, str], widths: Mapping[str, int], base_model: str = ""
) -> FileFamily:
    """The family of a LoRA file. `widths` are its layers' inputs, 0 for one unknown; `base_model` is what a
    sidecar says.

    Layers that fit one family decide, since metadata survives what changes a file; where they fit several,
    the header's word is taken if it is one of them, then the sidecar's.
    """
    guessed = FileFamily(guess_family(widths), _KEYS)
    if guessed.name:
        return guessed
    written = [(metadata.get(key, ""), key) for key in _WRITTEN]
    if metadata.get("ss_v2") == "True":
        written.append(("sd_v2", "ss_v2"))
    for text, source in [*written, (base_model, "the file beside it")]:
        called = family_called(text)
        if called is not None and guessed.fits(called.id):
            return FileFamily((called.id,), source)
    return guessed if guessed.ids else FileFamily()


def input_widths(grouped: Grouped, shapes: Shapes) -> dict[str, int]:
    """How wide the input of each layer of a file is, as far as one tensor of its adapter tells it; else 0."""
    return {
        layer: max(input_width({role: shapes[key] for role, key in roles.items()}) for roles in spellings)
        for layer, spellings in grouped.layers.items()
    }
