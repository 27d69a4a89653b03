"""The slider files among the host's LoRAs."""

from __future__ import annotations

from ...lora_core.applying import match
from ...lora_core.library import FileFacts, Traces, candidates, choose
from .files import load
from .key_maps import model_map
from .library import facts_of, listed_paths, lora_names
from .protocols import Patcher


def slider_candidates(slider: str) -> list[str]:
    """The files that could be the detail, saturation or brightness slider, as the host spells them."""
    return candidates(slider, lora_names(), _traces)


def find_slider(slider: str, model: Patcher | None = None) -> str:
    """The file that is the detail, saturation or brightness slider, as the host spells it.

    Where several could be, the one that has layers in `model`. Raises UnresolvedLora.
    """
    found = slider_candidates(slider)
    fits = None if model is None else lambda name: bool(match(load(name).lora, model_map(model)).layers)
    return choose(slider, found, fits)


def _traces(name: str) -> Traces:
    """What the index knows, which it reads once for an unchanged file."""
    (known,) = facts_of(listed_paths([name]).values()).values() or (FileFacts(),)
    hashes = tuple(value for _, claims in known.claims for value in claims.values())
    return Traces(tuple(filter(None, (known.alias, known.about.title))), hashes)
