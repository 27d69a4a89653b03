"""The UNets of Stable Diffusion: the model numbers its blocks through, diffusers by level.

    input_blocks.4.1.…  ↔  down_blocks.1.attentions.0.…

Both ways of counting follow from the keys: a block with a downsampler or upsampler ends a level. So SSD-1B,
Vega and KOALA, which leave blocks out, need no table. The correspondence is that of diffusers'
scripts/convert_original_stable_diffusion_to_diffusers.py, in the host comfy/utils.py `unet_to_diffusers`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache

_RESNET: Mapping[str, str] = {
    "in_layers.0": "norm1",
    "in_layers.2": "conv1",
    "emb_layers.1": "time_emb_proj",
    "out_layers.0": "norm2",
    "out_layers.3": "conv2",
    "skip_connection": "conv_shortcut",
}

_OUTSIDE: Mapping[str, tuple[str, ...]] = {
    "time_embed.0": ("time_embedding.linear_1",),
    "time_embed.2": ("time_embedding.linear_2",),
    # SD2's unCLIP calls it class embedding, SDXL additional embedding.
    "label_emb.0.0": ("class_embedding.linear_1", "add_embedding.linear_1"),
    "label_emb.0.2": ("class_embedding.linear_2", "add_embedding.linear_2"),
    "input_blocks.0.0": ("conv_in",),
    "out.0": ("conv_norm_out",),
    "out.2": ("conv_out",),
}

_MIDDLE: Mapping[str, str] = {"0": "resnets.0", "1": "attentions.0", "2": "resnets.1"}
_ATTENTION_PARTS = ("norm", "proj_in", "proj_out", "transformer_blocks")
_BLOCK = re.compile(r"(input|output)_blocks\.(\d+)\.(\d+)\.(.+)")


def unet_paths(modules: Iterable[str]) -> dict[str, str]:
    """{diffusers path: module path} of every module of a UNet that diffusers has a name for."""
    modules = list(modules)
    places = _places(modules)
    paths: dict[str, str] = {}
    for module in modules:
        for name in _OUTSIDE.get(module, ()):
            paths[name] = module
        folder, _, rest = module.partition(".")
        if folder == "middle_block":
            number, _, rest = rest.partition(".")
            part = _MIDDLE.get(number)
            if part is not None:
                paths.update(_inside(f"mid_block.{part}", rest, module))
        elif found := _BLOCK.fullmatch(module):
            block, number, child, rest = found.groups()
            paths.update(_child(places[block, int(number)], block, child, rest, module))
    return paths


def _places(modules: Iterable[str]) -> dict[tuple[str, int], tuple[int, int]]:
    """(level, place in it) of every numbered block."""
    last_of_level: dict[tuple[str, int], bool] = {}
    for module in modules:
        if found := _BLOCK.fullmatch(module):
            block, number, _, rest = found.groups()
            key = block, int(number)
            last_of_level[key] = last_of_level.get(key, False) or rest in ("op", "conv")
    places: dict[tuple[str, int], tuple[int, int]] = {}
    for block in ("input", "output"):
        level = place = 0
        for number in sorted(number for name, number in last_of_level if name == block):
            if (block, number) == ("input", 0):
                continue  # conv_in stands before the first level
            places[block, number] = level, place
            level, place = (level + 1, 0) if last_of_level[block, number] else (level, place + 1)
    return places | {("input", 0): (-1, 0)}


def _child(at: tuple[int, int], block: str, child: str, rest: str, module: str) -> Iterator[tuple[str, str]]:
    level, place = at
    if level < 0:
        return
    side = "down_blocks" if block == "input" else "up_blocks"
    if rest == "op":
        yield f"{side}.{level}.downsamplers.0.conv", module
    elif rest == "conv":
        yield f"{side}.{level}.upsamplers.0.conv", module
    else:
        part = "resnets" if child == "0" else "attentions"
        yield from _inside(f"{side}.{level}.{part}.{place}", rest, module)


def _inside(path: str, rest: str, module: str) -> Iterator[tuple[str, str]]:
    if ".attentions." in path:
        if rest.partition(".")[0] in _ATTENTION_PARTS:
            yield f"{path}.{rest}", module
    elif rest in _RESNET:
        yield f"{path}.{_RESNET[rest]}", module


def old_processor_path(path: str) -> str:
    """How diffusers wrote an attention layer in 2023: `…attn1.processor.to_q`, `…processor.to_out`."""
    return path.replace(".to_", ".processor.to_").removesuffix(".0") if ".to_" in path else path


@cache
def compvis_modules() -> dict[str, str]:
    """{joined diffusers path: module} of a UNet with two resnets a level, as all but KOALA have."""
    resnet = ("in_layers.0", "in_layers.2", "emb_layers.1", "out_layers.0", "out_layers.3", "skip_connection")
    attention = ["norm", "proj_in", "proj_out"]
    parts = ["ff.net.0.proj", "ff.net.2", "norm1", "norm2", "norm3"]
    parts += [f"attn{n}.to_{part}" for n in (1, 2) for part in ("q", "k", "v", "out.0")]
    attention += [f"transformer_blocks.{depth}.{part}" for depth in range(10) for part in parts]
    modules = ["time_embed.0", "time_embed.2", "input_blocks.0.0", "out.0", "out.2"]
    modules += [f"middle_block.{n}.{part}" for n in (0, 2) for part in resnet]
    modules += [f"middle_block.1.{part}" for part in attention]
    for number in range(12):
        if number in (3, 6, 9):
            modules.append(f"input_blocks.{number}.0.op")
        elif number:
            modules += [f"input_blocks.{number}.0.{part}" for part in resnet]
            modules += [f"input_blocks.{number}.1.{part}" for part in attention]
        modules += [f"output_blocks.{number}.0.{part}" for part in resnet]
        modules += [f"output_blocks.{number}.1.{part}" for part in attention]
        if number in (2, 5, 8):
            modules += [f"output_blocks.{number}.{child}.conv" for child in (1, 2)]
    return {path.replace(".", "_"): module for path, module in unet_paths(modules).items()}
