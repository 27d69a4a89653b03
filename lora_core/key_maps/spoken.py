"""The one name a program would write for a layer, where the other modules know every name one may read."""

from __future__ import annotations

from collections.abc import Iterator

from ..families import Shapes, elements_of, find_family
from .diffusers import diffusers_paths, module_of
from .key_map import Target
from .names import PREFIX
from .text_encoders import encoder_styles
from .unet import unet_paths

Named = Iterator[tuple[str, Target]]


def comfyui_names(shapes: Shapes, is_text_encoder: bool) -> Named:
    """ComfyUI's generic names: the model's own keys (comfy/lora.py `model_lora_keys_unet`, `_clip`)."""
    for key in shapes:
        if key.endswith(".weight"):
            stem = key.removesuffix(".weight")
            yield (f"text_encoders.{stem}" if is_text_encoder else stem), Target(key)


def kohya_names(shapes: Shapes, is_text_encoder: bool) -> Named:
    """sd-scripts' and musubi-tuner's names: paths joined by underscores, a UNet's in diffusers' spelling."""
    if is_text_encoder:
        yield from _encoder_names(shapes, "lora_te")
        return
    for path, target in _own_or_unet(shapes):
        yield f"lora_unet_{path.replace('.', '_')}", target


def diffusers_names(shapes: Shapes, is_text_encoder: bool) -> Named:
    """diffusers' names with its prefixes `unet.`, `transformer.` and `text_encoder.`."""
    if is_text_encoder:
        yield from _encoder_names(shapes, "text_encoder")
        return
    family = find_family(key.removeprefix(PREFIX) for key in shapes)
    if family is None:
        return
    if family.root.id == "unet":
        yield from ((f"unet.{path}", target) for path, target in _own_or_unet(shapes))
    for table in family.tables[:1]:
        for path, target in diffusers_paths(table, elements_of(family), shapes):
            yield f"transformer.{path}", target


def _own_or_unet(shapes: Shapes) -> Named:
    own = {module: key for key in shapes if (module := module_of(key)) is not None}
    family = find_family(key.removeprefix(PREFIX) for key in shapes)
    if family is not None and family.root.id == "unet":
        yield from ((path, Target(own[module])) for path, module in unet_paths(own).items())
    else:
        yield from ((module, Target(key)) for module, key in own.items())


def _encoder_names(shapes: Shapes, prefix: str) -> Named:
    for style, module, key in encoder_styles(shapes, prefix):
        yield style.write(module), Target(key)
