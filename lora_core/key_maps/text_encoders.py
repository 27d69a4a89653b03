"""Every layer name a text encoder answers to.

Model keys begin with the name the host gives the encoder: `clip_l.transformer.text_model.…`. All names of the
map the host builds (comfy/lora.py `model_lora_keys_clip`) are among them. Where two meanings meet the host's
wins.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ..families import Shapes
from .key_map import Target
from .names import Style

_PROJECTION = re.compile(
    r"(clip_[lgh])\.transformer\.(text_model\.encoder\.layers\.\d+\."
    r"(?:mlp\.fc[12]|self_attn\.(?:[qkv]|out)_proj))\.weight"
)
_MODULE = re.compile(r"(?:([^.]+)\.)?transformer\.(.+)\.weight")

_LTX_PROJECTION = "text_embedding_projection"  # of LTX-2, which stands beside its encoder

_FIRST = (Style("lora_te_", joined=True), Style("lora_te1_", joined=True), Style("text_encoder."))
_SECOND = (Style("lora_te2_", joined=True), Style("text_encoder_2."))
_THIRD = (Style("lora_te3_", joined=True), Style("text_encoder_3."))
_FOURTH = (Style("lora_te4_", joined=True), Style("text_encoder_4."))
_LONE_G = (
    Style("lora_te_", joined=True),
    Style("text_encoder."),
    Style("lora_prior_te_", joined=True),  # Stable Cascade
)


def text_encoder_names(shapes: Shapes) -> dict[str, Target]:
    """Layer name → target for text encoders under the host's names for them.

    Every module of every encoder has the spellings of its place among them.
    """
    encoders = _encoders(shapes)
    names = dict(_general_names(shapes))
    names.update(_hosts_names(shapes, encoders))
    for key in shapes:
        module = _module(key)
        if module is not None:
            for style in _styles(_encoder(key), encoders):
                # kohya leaves out the folder transformers' LLMs have all of their layers in.
                for path in dict.fromkeys((module, module.removeprefix("model."), _as_attention(module))):
                    names.setdefault(style.write(path), Target(key))
            for name in _of_one_trainer(_encoder(key), module):
                names.setdefault(name, Target(key))
    return names


def _as_attention(module: str) -> str:
    """A module of CLIP's attention as diffusers wrote it in 2023: `self_attn.to_q`, `self_attn.to_out`."""
    return re.sub(r"(?<=self_attn\.)(q|k|v|out)_proj$", r"to_\1", module)


def _of_one_trainer(encoder: str, module: str) -> Iterator[str]:
    """OneTrainer's OMI names: the encoder, and the path in it."""
    for name in (encoder, "t5") if encoder == "t5xxl" else (encoder,):
        if name:
            short = module.removeprefix("model.")
            yield f"{name}.{module}"
            yield f"{name}.{short}"
            yield Style(f"lora_{name}_", joined=True).write(short)  # of its converter for ComfyUI


def _general_names(shapes: Shapes) -> Iterator[tuple[str, Target]]:
    """Keys as they are, and without the name of the encoder; of two encoders the last has the latter."""
    for key in shapes:
        if key.endswith(".weight"):
            path = key.removesuffix(".weight")
            yield f"text_encoders.{path}", Target(key)
            if path.startswith(_LTX_PROJECTION):
                yield path, Target(key)
                yield f"{_LTX_PROJECTION}.aggregate_embed", Target(key)
            encoder, found, rest = path.partition(".transformer.")
            if found and not encoder.startswith("clip_"):
                yield f"text_encoders.transformer.{rest}", Target(key)


def _hosts_names(shapes: Shapes, encoders: frozenset[str]) -> Iterator[tuple[str, Target]]:
    """What the host has besides."""
    for key in shapes:
        if found := _PROJECTION.fullmatch(key):
            encoder, path = found.groups()
            styles = _FIRST if encoder != "clip_g" else _SECOND if "clip_l" in encoders else _LONE_G
            yield from ((style.write(path), Target(key)) for style in styles)
        elif key.startswith("t5xxl.transformer.") and (module := _module(key)):
            # OneTrainer counts the encoders of the model, and calls Flux's T5 the third as in SD3.
            for number in _t5_numbers(encoders):
                yield Style(f"lora_te{number}_", joined=True).write(module), Target(key)
        elif key.startswith("hydit_clip.transformer.bert.") and (module := _module(key)):
            yield Style("lora_te1_", joined=True).write(module.removeprefix("bert.")), Target(key)
    for encoder, projections in (
        ("clip_g", ("lora_prior_te_text_projection", "lora_te2_text_projection")),
        ("clip_l", ("lora_te1_text_projection",)),
    ):
        key = f"{encoder}.transformer.text_projection.weight"
        if key in shapes:
            yield from ((name, Target(key)) for name in projections)


def encoder_styles(shapes: Shapes, prefix: str) -> Iterator[tuple[Style, str, str]]:
    """(style, module, key) of every module of every encoder, in the one style that begins with `prefix`.

    A lone encoder has no number where its style can do without.
    """
    encoders = _encoders(shapes)
    for key in shapes:
        module = _module(key)
        if module is None:
            continue
        fitting = [style for style in _styles(_encoder(key), encoders) if style.prefix.startswith(prefix)]
        plain = [style for style in fitting if not any(letter.isdigit() for letter in style.prefix)]
        if fitting:
            lone = plain if len(encoders) == 1 or prefix == "text_encoder" else []
            numbered = [style for style in fitting if style not in plain]
            yield (lone or numbered or fitting)[0], module, key


def _styles(encoder: str, encoders: frozenset[str]) -> Iterator[Style]:
    """How a module of `encoder` may be written, in a model that has `encoders`."""
    if len(encoders) == 1:
        # Alone, as in a file of its own, it may be the first, second or third of the model it was trained in.
        yield from (*_FIRST, *_SECOND, *_THIRD)
    elif encoder in ("clip_l", "clip_h", "hydit_clip"):
        yield from _FIRST
        if len(encoders) == 2 and "t5xxl" not in encoders and "clip_g" not in encoders:
            yield from _SECOND  # HunyuanVideo's second, behind its LLM
    elif encoder == "clip_g":
        yield from _SECOND
    elif encoder == "t5xxl":
        # diffusers: text_encoder_2 in Flux, text_encoder_3 in SD3 and HiDream.
        yield from (_THIRD if "clip_g" in encoders else _SECOND)
    elif encoder in ("mt5xl", "byt5_small"):
        yield from _SECOND  # Hunyuan-DiT, HunyuanImage
    else:
        yield from (_FOURTH if "t5xxl" in encoders else _FIRST)  # LLMs: HiDream's fourth, else the first


def _t5_numbers(encoders: Iterable[str]) -> tuple[int, ...]:
    has_l, has_g = "clip_l" in encoders, "clip_g" in encoders
    return (2, 3) if has_l and not has_g else (1 + has_l + has_g,)


def _encoders(shapes: Shapes) -> frozenset[str]:
    return frozenset(_encoder(key) for key in shapes if _MODULE.fullmatch(key))


def _encoder(key: str) -> str:
    """The host's name of the encoder a key is in; empty for a bare one's."""
    name, found, _ = key.partition(".transformer.")
    return name if found else ""


def _module(key: str) -> str | None:
    found = _MODULE.fullmatch(key)
    return found[2] if found else None
