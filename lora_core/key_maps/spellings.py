"""One form for the many in which trainers write the name of a layer.

Prefixes are taken off, as many as there are; dots and underscores are one, and none is at the end. So any
trainer's habit meets any family, one that only the host knows too. What the paths mean in each family is the
business of its record.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

# What trainers put before a path, in any order and number.
_DOTTED = re.compile(r"(?:base_model|model|diffusion_model|transformer|unet|net|pipe|dit)\.")
_JOINED = re.compile(
    r"(?:lora_unet|lora_transformer|lora|lycoris|oft_unet|oft|prior_unet|unet|net|base_model_model|base_model|diffusion_model|"
    r"model|transformer(?!_(?:1d_)?blocks_))_"
)
_ENCODER = re.compile(
    r"(?:(?:prior_)?te(?P<te>\d?)|text_encoder(?:_(?P<number>\d))?)_(?:base_model_model_)*(?P<path>.+)",
)
_PARTS = re.compile(r"[._]+")
_JOINED_IN_MAPS = ("lora_unet_", "lora_transformer_", "lycoris_", "lora_prior_unet_")


def paths(name: str) -> list[str]:
    """The paths a name may mean, joined by underscores: without any prefix, then with one more each.

    For a prefix may be the name of a folder in the model.
    """
    found = [name]
    while prefix := _DOTTED.match(found[0]):
        found.insert(0, found[0][prefix.end() :])
    found = [_PARTS.sub("_", path).strip("_").replace("_processor_to_", "_to_") for path in found]
    while prefix := _JOINED.match(found[0]):
        found.insert(0, found[0][prefix.end() :])
    return found


def folded(name: str) -> str:
    """The form all spellings of a layer's name share; a text encoder's begins with its number and a colon."""
    path, encoder = paths(name)[0], ""
    if found := _ENCODER.fullmatch(path):
        path, encoder = found["path"], f"{found['te'] or found['number'] or 1}:"
    return encoder + with_number(path)


def with_number(path: str) -> str:
    """A joined path with the number that trainers may leave out: `to_out` is `to_out.0`."""
    return f"{path}_0" if path.endswith("_to_out") else path


def is_bare(name: str) -> bool:
    """Whether a name has no prefix of a trainer's but PEFT's, so that it may be a text encoder's too."""
    return len(paths(name.removeprefix("base_model.model."))) == 1


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
