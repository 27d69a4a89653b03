"""Every layer name a text encoder answers to.

Model keys begin with the name the host gives the encoder: `clip_l.transformer.text_model.…`. `host_names` is
the map of comfy/lora.py `model_lora_keys_clip`. `text_encoder_names` knows more spellings; the host's win.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from .families import Shapes
from .key_map import Target
from .names import Style

_PROJECTION = re.compile(
    r"(clip_[lgh])\.transformer\.(text_model\.encoder\.layers\.\d+\."
    r"(?:mlp\.fc[12]|self_attn\.(?:[qkv]|out)_proj))\.weight"
)
_MODULE = re.compile(r"([^.]+)\.transformer\.(.+)\.weight")

_FIRST = (Style("lora_te_", joined=True), Style("lora_te1_", joined=True), Style("text_encoder."))
_SECOND = (Style("lora_te2_", joined=True), Style("text_encoder_2."))
_THIRD = (Style("lora_te3_", joined=True), Style("text_encoder_3."))
_LONE_G = (
    Style("lora_te_", joined=True),
    Style("text_encoder."),
    Style("lora_prior_te_", joined=True),  # Stable Cascade
)


def host_names(shapes: Shapes) -> dict[str, Target]:
    """Layer name → target for text encoders under the host's names for them, as the host has it."""
    encoders = _encoders(shapes)
    names = {f"text_encoders.{k.removesuffix('.weight')}": Target(k) for k in shapes if k.endswith(".weight")}
    for key in shapes:
        if found := _PROJECTION.fullmatch(key):
            encoder, path = found.groups()
            styles = _FIRST if encoder != "clip_g" else _SECOND if "clip_l" in encoders else _LONE_G
            names.update((style.write(path), Target(key)) for style in styles)
        elif key.startswith("t5xxl.transformer.") and (module := _module(key)):
            # OneTrainer counts the encoders of the model, and calls Flux's T5 the third as in SD3.
            for number in _t5_numbers(encoders):
                names[Style(f"lora_te{number}_", joined=True).write(module)] = Target(key)
        elif key.startswith("hydit_clip.transformer.bert.") and (module := _module(key)):
            path = module.removeprefix("bert.")
            names[Style("lora_te1_", joined=True).write(path)] = Target(key)
    for encoder, projections in (
        ("clip_g", ("lora_prior_te_text_projection", "lora_te2_text_projection")),
        ("clip_l", ("lora_te1_text_projection",)),
    ):
        key = f"{encoder}.transformer.text_projection.weight"
        if key in shapes:
            names.update(dict.fromkeys(projections, Target(key)))
    return names


def text_encoder_names(shapes: Shapes) -> dict[str, Target]:
    """`host_names`, and every module of every encoder in the spellings of its place among them."""
    found = host_names(shapes)
    encoders = _encoders(shapes)
    for key in shapes:
        module = _module(key)
        if module is not None:
            for style in _styles(key.partition(".")[0], encoders):
                # kohya leaves out the folder transformers' LLMs have all of their layers in.
                for path in dict.fromkeys((module, module.removeprefix("model."))):
                    found.setdefault(style.write(path), Target(key))
    return found


def _styles(encoder: str, encoders: frozenset[str]) -> Iterator[Style]:
    """How a module of `encoder` may be written, in a model that has `encoders`."""
    if len(encoders) == 1:
        # Alone, as in a file of its own, it may be the first, second or third of the model it was trained in.
        yield from (*_FIRST, *_SECOND, *_THIRD)
    elif encoder in ("clip_l", "clip_h", "hydit_clip"):
        yield from _FIRST
    elif encoder == "clip_g":
        yield from _SECOND
    elif encoder == "t5xxl":
        # diffusers: text_encoder_2 in Flux, text_encoder_3 in SD3.
        yield from (_THIRD if "clip_g" in encoders else _SECOND)
    elif encoder == "mt5xl":
        yield from _SECOND  # Hunyuan-DiT


def _t5_numbers(encoders: Iterable[str]) -> tuple[int, ...]:
    has_l, has_g = "clip_l" in encoders, "clip_g" in encoders
    return (2, 3) if has_l and not has_g else (1 + has_l + has_g,)


def _encoders(shapes: Shapes) -> frozenset[str]:
    return frozenset(found[1] for key in shapes if (found := _MODULE.fullmatch(key)))


def _module(key: str) -> str | None:
    found = _MODULE.fullmatch(key)
    return found[2] if found else None
