"""Every layer name a diffusion model answers to: path of the layer × ways of writing it.

`host_names` is the map the host builds (comfy/lora.py `model_lora_keys_unet`), names that lead to no weight
left out; `model_names` knows more spellings. Where two meanings meet the host's wins.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from .diffusers import diffusers_paths, module_of
from .families import Family, Shapes, find_family
from .key_map import Target
from .tables import MORE_TABLES, TABLES
from .unet import old_processor_path, unet_paths

PREFIX = "diffusion_model."


class Style(NamedTuple):
    """A way of writing a path: with a prefix, and its dots perhaps as underscores."""

    prefix: str
    joined: bool = False

    def write(self, path: str) -> str:
        return self.prefix + (path.replace(".", "_") if self.joined else path)


_BARE = Style("")
_DIFFUSION_MODEL = Style(PREFIX)
_KOHYA = Style("lora_unet_", joined=True)
_LYCORIS = Style("lycoris_", joined=True)  # SimpleTuner
_ONE_TRAINER = Style("lora_transformer_", joined=True)
_TRANSFORMER = Style("transformer.")  # diffusers
_PEFT = Style("base_model.model.")
_PEFT_UNET = Style("unet.base_model.model.")  # PixArt's first script

# How the host lets the model's own paths be written, beside `lora_unet_` and `diffusion_model.`.
_OWN_STYLES: Mapping[Family, tuple[Style, ...]] = {
    Family.CASCADE_C: (Style("lora_prior_unet_", joined=True),),
    Family.HUNYUAN_DIT: (_PEFT,),
    Family.MOCHI: (_BARE,),
    Family.ACE_STEP: (_BARE,),
    Family.OMNIGEN2: (_BARE,),
    Family.HIDREAM: (_LYCORIS, _TRANSFORMER),
    Family.QWEN_IMAGE: (_BARE, _TRANSFORMER, _LYCORIS),
}

# How the host lets diffusers' paths be written.
_TABLE_STYLES: Mapping[Family, tuple[Style, ...]] = {
    Family.SD3: (_TRANSFORMER, _PEFT, _ONE_TRAINER, _LYCORIS),
    Family.AURAFLOW: (_TRANSFORMER,),
    Family.PIXART: (_TRANSFORMER, _PEFT, _PEFT_UNET),
    Family.FLUX: (_TRANSFORMER, _LYCORIS, _ONE_TRAINER),
    Family.FLUX2: (_TRANSFORMER, _LYCORIS, _ONE_TRAINER),
    Family.CHROMA: (_TRANSFORMER, _LYCORIS, _ONE_TRAINER),
    Family.LUMINA2: (_DIFFUSION_MODEL, _LYCORIS),
    Family.Z_IMAGE: (_DIFFUSION_MODEL, _LYCORIS),
}
_UNET_STYLES = (_KOHYA, _LYCORIS)
_UNET_PROCESSOR_STYLES = (_BARE, Style("unet."))

# Any of a trainer's habits may meet any family, so `model_names` takes every path in every one of these.
_ALL_STYLES = (_TRANSFORMER, _PEFT, _KOHYA, _LYCORIS, _ONE_TRAINER, _DIFFUSION_MODEL, _BARE)
_ALL_UNET_STYLES = (Style("unet."), _PEFT, _PEFT_UNET, _KOHYA, _LYCORIS, _BARE)

# HunyuanVideo's first release named its modules so, diffusion-pipe still does (host `model_lora_keys_unet`).
_HUNYUAN_RENAMES = (
    ("_mod.lin.", "_mod.linear."),
    ("_attn.qkv.", "_attn_qkv."),
    ("_attn.proj.", "_attn_proj."),
    ("mlp.0.", "mlp.fc1."),
    ("mlp.2.", "mlp.fc2."),
    (".modulation.lin.", ".modulation.linear."),
)
_FLUXES = (Family.FLUX, Family.FLUX2, Family.CHROMA)


def host_names(shapes: Shapes) -> dict[str, Target]:
    """Layer name → target for a model whose keys begin with 'diffusion_model.', as the host has it."""
    own = dict(_own_paths(shapes))
    family = find_family(key.removeprefix(PREFIX) for key in shapes)
    names = {key: Target(key) for key in shapes if key.startswith(PREFIX) and not key.endswith(".weight")}
    names.update(_written(own, (_KOHYA, _DIFFUSION_MODEL)))
    if family is Family.UNET:
        paths = {path: own[module] for path, module in unet_paths(own).items()}
        names.update(_written(paths, _UNET_STYLES))
        older = {old_processor_path(path): target for path, target in paths.items()}
        names.update(_written(older, _UNET_PROCESSOR_STYLES))
    if family is not None and family in _OWN_STYLES:
        names.update(_written(own, _OWN_STYLES[family]))
    if family is not None and family in TABLES:
        names.update(_written(dict(diffusers_paths(TABLES[family], shapes)), _TABLE_STYLES[family]))
    if family is Family.HUNYUAN_VIDEO:
        older = {_hunyuan_path(path): target for path, target in own.items()}
        names.update(_written(older, (_TRANSFORMER, _DIFFUSION_MODEL)))
    if family in _FLUXES:
        names.update(_linear1_qkv(shapes))
    return names


def model_names(shapes: Shapes) -> dict[str, Target]:
    """`host_names`, and the spellings trainers write that the host does not know."""
    found = host_names(shapes)
    own = dict(_own_paths(shapes))
    family = find_family(key.removeprefix(PREFIX) for key in shapes)
    more: list[tuple[dict[str, Target], tuple[Style, ...]]] = []
    if family is Family.UNET:
        more.append(({path: own[module] for path, module in unet_paths(own).items()}, _ALL_UNET_STYLES))
    for tables in (TABLES, MORE_TABLES):
        if family is not None and family in tables:
            more.append((dict(diffusers_paths(tables[family], shapes)), _ALL_STYLES))
    more.append((own, _ALL_UNET_STYLES if family is Family.UNET else _ALL_STYLES))
    if family in _FLUXES:
        # Their norms keep `scale` in files, whose parameter newer hosts call `weight`.
        norms = {f"{path}.scale": target for path, target in own.items() if path.endswith("_norm")}
        more.append((norms, _ALL_STYLES))
    if family is Family.WAN:
        more.append((own, (Style("lora_unet__", joined=True),)))  # Wan-Fun's trainer; host lora_convert.py
    for paths, styles in more:
        for name, target in _written(paths, styles):
            found.setdefault(name, target)
    return found


def _own_paths(shapes: Shapes) -> Iterator[tuple[str, Target]]:
    for key in shapes:
        if key.startswith(PREFIX) and key.endswith(".weight"):
            yield key.removeprefix(PREFIX).removesuffix(".weight"), Target(key)


def _written(paths: Mapping[str, Target], styles: tuple[Style, ...]) -> Iterator[tuple[str, Target]]:
    return ((style.write(path), target) for style in styles for path, target in paths.items())


def _hunyuan_path(path: str) -> str:
    path += "."
    for old, new in _HUNYUAN_RENAMES:
        path = path.replace(old, new)
    return path.removesuffix(".")


def _linear1_qkv(shapes: Shapes) -> Iterator[tuple[str, Target]]:
    """The attention's part of Flux's fused linear1, as ByteDance's USO names it."""
    for key, shape in shapes.items():
        module = module_of(key)
        if module is not None and module.endswith(".linear1") and len(shape) > 1:
            yield f"{PREFIX}{module}_qkv", Target(key, (0, 0, 3 * shape[1]))
