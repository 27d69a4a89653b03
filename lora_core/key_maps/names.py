"""Every layer name a diffusion model answers to: path of the layer × ways of writing it.

Paths are the model's own, those of its family's name tables, those of the released files, and a UNet's in
diffusers; any of a trainer's habits may meet any of them. All names of the map the host builds (comfy/lora.py
`model_lora_keys_unet`) are among them; where two meanings meet the host's wins.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ..families import Family, Shapes, elements_of, find_family
from .diffusers import diffusers_paths, module_of, numbered_parts
from .key_map import Target
from .unet import old_processor_path, unet_paths

PREFIX = "diffusion_model."


class Style(NamedTuple):
    """A way of writing a path: with a prefix, and its dots perhaps as underscores."""

    prefix: str
    joined: bool = False

    def write(self, path: str) -> str:
        return self.prefix + (path.replace(".", "_") if self.joined else path)


_STYLES = (
    Style(PREFIX),
    Style("transformer."),  # diffusers
    Style("base_model.model."),  # PEFT
    Style("lora_unet_", joined=True),  # kohya
    Style("lora_transformer_", joined=True),  # OneTrainer
    Style("lycoris_", joined=True),  # SimpleTuner
    Style(""),
)


def model_names(shapes: Shapes) -> dict[str, Target]:
    """Layer name → target for a model whose keys begin with 'diffusion_model.'."""
    family = find_family(key.removeprefix(PREFIX) for key in shapes)
    names = {key: Target(key) for key in shapes if key.startswith(PREFIX) and not key.endswith(".weight")}
    own = dict(_own_paths(shapes))
    styles: tuple[Style, ...] = _STYLES
    if family is not None:
        styles += tuple(Style(prefix, joined=prefix.endswith("_")) for prefix in family.prefixes)
    for paths in _paths(family, own, shapes):
        for style in styles:
            for path, target in paths.items():
                names.setdefault(style.write(path), target)
    return names


def _paths(
    family: Family | None, own: Mapping[str, Target], shapes: Shapes
) -> Iterator[Mapping[str, Target]]:
    """The paths of all layers by each way of naming them; of two with one name the first counts."""
    if family is not None:
        for table in family.tables:
            yield dict(diffusers_paths(table, elements_of(family), shapes))
        if family.root.id == "unet":
            paths = {path: own[module] for path, module in unet_paths(own).items()}
            yield paths
            yield {old_processor_path(path): target for path, target in paths.items()}
    yield own
    if family is not None and family.folder:
        yield {
            path.removeprefix(family.folder): t for path, t in own.items() if path.startswith(family.folder)
        }
    if family is not None:
        yield dict(numbered_parts(elements_of(family), shapes))
    if family is not None and family.released_as:
        yield {released(path, family): target for path, target in own.items()}
    # Norms of Flux and its kin: what the host called `scale` it calls `weight` since February 2026.
    yield {f"{path}.scale": target for path, target in own.items() if path.endswith("_norm")}


def _own_paths(shapes: Shapes) -> Iterator[tuple[str, Target]]:
    for key in shapes:
        module = module_of(key)
        if module is not None:
            yield module, Target(key)


def released(path: str, family: Family) -> str:
    """The path as the released files have it."""
    ours = dict(family.released_as)
    pattern = "|".join(map(re.escape, sorted(ours, key=len, reverse=True)))
    return re.sub(pattern, lambda found: ours[found[0]], f"{path}.").removesuffix(".")
