"""The family of models a LoRA was made for: from its layers, its header, or what is said beside it.

The names are those of key_maps/families.py, so that a LoRA and a model can be compared.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from ..reading import Grouped
from .families import Shapes
from .guess import guess_family

_KEYS = "its layers"
_WRITTEN = ("ss_base_model_version", "modelspec.architecture")


@dataclass(frozen=True)
class FileFamily:
    """Names of the families a file may be for, none when nothing tells, and what told them."""

    names: tuple[str, ...] = ()
    source: str = ""

    @property
    def name(self) -> str:
        """The family, where it is certain; else empty."""
        return self.names[0] if len(self.names) == 1 else ""

    def fits(self, model: str) -> bool:
        """Whether a model of this family may be the one; True where nothing tells."""
        return not self.names or model in self.names

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
    guessed = FileFamily(_guess(widths), _KEYS)
    if guessed.name:
        return guessed
    written = [(metadata.get(key, ""), key) for key in _WRITTEN]
    if metadata.get("ss_v2") == "True":
        written.append(("sd_v2", "ss_v2"))
    for text, source in [*written, (base_model, "the file beside it")]:
        name = family_named(text)
        if name and (not guessed.names or name in guessed.names):
            return FileFamily((name,), source)
    return guessed if guessed.names else FileFamily()


def family_named(text: str) -> str:
    """The family a trainer or a site means by 'sdxl_base_v1-0', 'SD 1.5', 'Flux.1 D', …; empty if unknown."""
    folded = re.sub(r"[^a-z0-9]", "", text.lower())
    return next((name for spelling, name in _tables().spellings if folded.startswith(spelling)), "")


class _Tables(NamedTuple):
    spellings: tuple[tuple[str, str], ...]  # spelling → family, the longest first
    relatives: Mapping[str, tuple[str, ...]]  # what key_maps/guess.py says where it cannot decide


@lru_cache(maxsize=1)
def _tables() -> _Tables:
    data = json.loads(Path(__file__).with_name("base_families.json").read_text(encoding="utf-8"))
    pairs = [(spelling, name) for name, spellings in data["spellings"].items() for spelling in spellings]
    pairs.sort(key=lambda pair: -len(pair[0]))
    return _Tables(tuple(pairs), {guess: tuple(names) for guess, names in data["relatives"].items()})


def input_widths(grouped: Grouped, shapes: Shapes) -> dict[str, int]:
    """How wide the input of each layer of a file is, as far as one tensor of its adapter tells it; else 0."""
    return {
        layer: max(_input_width(roles, shapes) for roles in spellings)
        for layer, spellings in grouped.layers.items()
    }


def _guess(widths: Mapping[str, int]) -> tuple[str, ...]:
    guess = guess_family(widths)
    return () if guess is None else _tables().relatives.get(guess, (guess,))


def _input_width(roles: Mapping[str, str], shapes: Shapes) -> int:
    for role in ("down", "hada_w1_b", "diff"):
        if role in roles and len(shapes[roles[role]]) > 1:
            return shapes[roles[role]][1]
    if "glora_a1" in roles:
        return max(shapes[roles["glora_a1"]][:2], default=0)  # (in, rank), or older files (rank, in)
    factors = [_lokr_width(roles, shapes, factor) for factor in ("lokr_w1", "lokr_w2")]
    return factors[0] * factors[1]


def _lokr_width(roles: Mapping[str, str], shapes: Shapes, factor: str) -> int:
    key = roles.get(factor) or roles.get(f"{factor}_b")
    return shapes[key][1] if key is not None and len(shapes[key]) > 1 else 0
