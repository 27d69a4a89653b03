"""One form for the many in which trainers write the name of a layer.

Prefixes are taken off, as many as there are; dots and underscores are one, and none is at the end. So any
trainer's habit meets any family, one that only the host knows too. What the paths mean in each family is the
business of its record.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_DOTTED = re.compile(r"(?:(?:base_model\.model|diffusion_model|transformer|unet|net|model)\.)+")
_JOINED = re.compile(
    r"(?:(?:base_model_model|model_diffusion_model|diffusion_model|lora_prior_unet|lora_unet|lora_transformer|"
    r"oft_unet|lycoris|unet|net|transformer(?!_(?:blocks|1d_blocks))|model)_)+"
)
_ENCODER = re.compile(
    r"(?:base_model_model_|lora_|oft_|lycoris_)*"
    r"(?:(?:prior_)?te(?P<te>\d?)|text_encoder(?:_(?P<number>\d))?)_(?P<path>.+)"
)
_PARTS = re.compile(r"[._]+")
_JOINED_IN_MAPS = ("lora_unet_", "lora_transformer_", "lycoris_", "lora_prior_unet_")


def folded(name: str) -> str:
    """The form all spellings of a layer's name share; a text encoder's begins with its number and a colon."""
    path = name[found.end() :] if (found := _DOTTED.match(name)) else name
    joined = _PARTS.sub("_", path).strip("_")
    if found := _ENCODER.fullmatch(joined):
        joined, encoder = found["path"], f"{found['te'] or found['number'] or 1}:"
    else:
        encoder = ""
        joined = joined[found.end() :] if (found := _JOINED.match(joined)) else joined
    joined = joined.replace("_processor_to_", "_to_")
    return encoder + (f"{joined}_0" if joined.endswith("_to_out") else joined)


def is_bare(name: str) -> bool:
    """Whether a name has no prefix of a trainer's but PEFT's, so that it may be a text encoder's too."""
    path = name.removeprefix("base_model.model.")
    return not _DOTTED.match(path) and not _JOINED.match(path.replace(".", "_"))


def in_maps(form: str) -> Iterator[str]:
    """The names a key map is likely to have for a folded one, to look there before folding the whole map."""
    number, colon, path = form.rpartition(":")
    known: tuple[str, ...] = _JOINED_IN_MAPS
    if colon:
        known = ("lora_te_", "lora_te1_") if number == "1" else (f"lora_te{number}_",)
    for prefix in known:
        yield prefix + path
        if path.endswith("_to_out_0"):
            yield prefix + path.removesuffix("_0")
