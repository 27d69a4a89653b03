"""Where the weights of a model and of its text encoders lie in a checkpoint file.

The host renames keys while it loads (comfy/supported_models.py `process_unet_state_dict` and
`process_clip_state_dict`, comfy/utils.py `clip_text_transformers_convert`), and cuts OpenCLIP's fused
attention weights into q, k and v. This is the same correspondence without touching a tensor, so that a weight
can be changed where it lies.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..families import Family, Shapes, find_family, find_version
from . import names, text_encoders
from .key_map import KeyMap

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class StoredAt:
    """A weight in a file: a tensor's key, the rows of it (first, count) or all, and whether on its side."""

    key: str
    rows: tuple[int, int] | None = None
    transposed: bool = False

    def view(self, tensor: Tensor) -> Tensor:
        """The weight as a view of the file's tensor."""
        view = tensor if self.rows is None else tensor.narrow(0, *self.rows)
        return view.t() if self.transposed else view

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the weight, from that of the file's tensor."""
        shape = shape if self.rows is None else (self.rows[1], *shape[1:])
        return shape[::-1] if self.transposed else shape


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Model key → place in the file, under the names the host's loaded model has."""

    model: Mapping[str, StoredAt]
    clip: Mapping[str, StoredAt]
    shapes: Shapes  # of the file's tensors

    @property
    def family(self) -> Family | None:
        return find_family(key.removeprefix(names.PREFIX) for key in self.model)

    @property
    def description(self) -> str:
        """The family in a person's words; 'text encoder' for a file without a diffusion model."""
        if not self.model:
            return "text encoder" if self.clip else "unknown"
        family = self.family
        if family is None:
            return "unknown"
        shapes = {k.removeprefix(names.PREFIX): s for k, s in self._shapes(self.model).items()}
        return find_version(family, shapes).title

    @property
    def encoders(self) -> tuple[str, ...]:
        """The host's names of the text encoders inside."""
        return tuple(dict.fromkeys(k.partition(".")[0] for k in self.clip if ".transformer." in k))

    def model_map(self) -> KeyMap:
        """Layer names of the diffusion model."""
        shapes = self._shapes(self.model)
        return KeyMap.of(names.model_names(shapes), shapes)

    def clip_map(self) -> KeyMap:
        """Layer names of the text encoders."""
        shapes = self.clip_shapes()
        return KeyMap.of(text_encoders.text_encoder_names(shapes), shapes)

    def clip_shapes(self) -> dict[str, tuple[int, ...]]:
        """The weights of the text encoders, by the host's keys."""
        return self._shapes(self.clip)

    def _shapes(self, places: Mapping[str, StoredAt]) -> dict[str, tuple[int, ...]]:
        return {key: place.shape(self.shapes[place.key]) for key, place in places.items()}


def read_layout(shapes: Shapes) -> Checkpoint:
    """Find model and text encoders among the tensors of a file: a checkpoint, a bare model, or an encoder."""
    lone = _lone_encoder(shapes)
    if lone is not None:
        open_clip = _is_open_clip(shapes)
        found = (_open_clip if open_clip else _renamed)(shapes, "", f"{lone}.transformer.")
        return Checkpoint({}, dict(found), shapes)
    prefix = _model_prefix(shapes)
    inside = {key.removeprefix(prefix): key for key in shapes if key.startswith(prefix)}
    model = dict(_model_places(inside, shapes))
    taken = {place.key for place in model.values()}
    clip = dict(_clip_places({k: s for k, s in shapes.items() if k not in taken}))
    return Checkpoint(model, clip, shapes)


# The diffusion model

_PREFIXES = ("model.diffusion_model.", "diffusion_model.", "model.model.", "net.")
_OTHER_PREFIX = "model."  # AuraFlow and others
_ENOUGH = 5  # host model_detection.py `unet_prefix_from_state_dict`: a prefix counts from six keys on
_PARTS_OF_CHECKPOINTS = (
    "first_stage_model.",
    "vae.",
    "text_encoders.",
    "text_encoder.",
    "cond_stage_model.",
    "conditioner.",
)


def _model_prefix(shapes: Shapes) -> str:
    counts = {prefix: sum(key.startswith(prefix) for key in shapes) for prefix in _PREFIXES}
    best = max(_PREFIXES, key=counts.__getitem__)
    if counts[best] > _ENOUGH:
        return best
    return _OTHER_PREFIX if any(key.startswith(_OTHER_PREFIX) for key in shapes) else ""


def _model_places(inside: Mapping[str, str], shapes: Shapes) -> Iterator[tuple[str, StoredAt]]:
    """`inside` maps the model's own keys to the file's."""
    family = find_family(inside)
    for own, key in inside.items():
        if key == own and key.startswith(_PARTS_OF_CHECKPOINTS):
            continue  # a file whose model has no prefix may have other parts, which do
        for ours, released in family.released_as if family is not None else ():
            own = own.replace(released, ours)
        if family is not None and family.in_proj and (cut := _IN_PROJ.fullmatch(own)):
            stem, end = cut.groups()
            yield from _thirds(f"{names.PREFIX}{stem}.{family.in_proj}{{}}.{end}", "qkv", key, shapes)
        else:
            yield names.PREFIX + own, StoredAt(key)


_IN_PROJ = re.compile(r"(.+)\.in_proj_(weight|bias)")


def _thirds(name: str, parts: str, key: str, shapes: Shapes) -> Iterator[tuple[str, StoredAt]]:
    """Three weights stacked in one tensor; `name` has a gap for each one's letter."""
    rows = shapes[key][0] // 3
    for index, part in enumerate(parts):
        yield name.format(part), StoredAt(key, (index * rows, rows))


# Text encoders

_REFINER_WIDTH = 1280  # of OpenCLIP bigG; SD2's OpenCLIP-H has 1024


def _clip_places(shapes: Shapes) -> Iterator[tuple[str, StoredAt]]:
    """Which encoder stands behind which prefix (supported_models.py, `process_clip_state_dict` of each)."""
    first = "conditioner.embedders.0.model."
    width = shapes.get(f"{first}ln_final.weight", (0,))[0]
    yield from _open_clip(shapes, first, f"{'clip_g' if width == _REFINER_WIDTH else 'clip_h'}.transformer.")
    yield from _open_clip(shapes, "conditioner.embedders.1.model.", "clip_g.transformer.")
    yield from _open_clip(shapes, "cond_stage_model.model.", "clip_h.transformer.")
    yield from _renamed(shapes, "conditioner.embedders.0.transformer.", "clip_l.transformer.")
    yield from _sd1(shapes)
    for prefix in ("text_encoders.", "text_encoder."):
        yield from _renamed(shapes, prefix, "")
    projection = "text_encoder.clip_g.text_projection"  # Stable Cascade
    if projection in shapes:
        yield "clip_g.transformer.text_projection.weight", StoredAt(projection, transposed=True)


def _renamed(shapes: Shapes, old: str, new: str) -> Iterator[tuple[str, StoredAt]]:
    for key in shapes:
        if key.startswith(old):
            yield new + key.removeprefix(old), StoredAt(key)


def _sd1(shapes: Shapes) -> Iterator[tuple[str, StoredAt]]:
    prefix = "cond_stage_model.transformer."
    for key in shapes:
        if key.startswith(prefix):
            path = key.removeprefix(prefix)
            # Files from before transformers 4.3 lack this folder.
            yield f"clip_l.transformer.text_model.{path.removeprefix('text_model.')}", StoredAt(key)


_OPEN_CLIP_OUTSIDE: Mapping[str, str] = {
    "positional_embedding": "embeddings.position_embedding.weight",
    "token_embedding.weight": "embeddings.token_embedding.weight",
    "ln_final.weight": "final_layer_norm.weight",
    "ln_final.bias": "final_layer_norm.bias",
}
_OPEN_CLIP_BLOCK: Mapping[str, str] = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
    "attn.out_proj": "self_attn.out_proj",
}
_RESBLOCK = re.compile(r"transformer\.resblocks\.(\d+)\.(.+?)[._](weight|bias)")


def _open_clip(shapes: Shapes, prefix: str, to: str) -> Iterator[tuple[str, StoredAt]]:
    """OpenCLIP's names → those of transformers' CLIPTextModel."""
    for key in shapes:
        if not key.startswith(prefix):
            continue
        path = key.removeprefix(prefix)
        if path in _OPEN_CLIP_OUTSIDE:
            yield f"{to}text_model.{_OPEN_CLIP_OUTSIDE[path]}", StoredAt(key)
        elif path == "text_projection":
            yield f"{to}text_projection.weight", StoredAt(key, transposed=True)
        elif path == "text_projection.weight":
            yield f"{to}text_projection.weight", StoredAt(key)
        elif found := _RESBLOCK.fullmatch(path):
            number, part, end = found.groups()
            layer = f"{to}text_model.encoder.layers.{number}."
            if part == "attn.in_proj":
                yield from _thirds(f"{layer}self_attn.{{}}_proj.{end}", "qkv", key, shapes)
            elif part in _OPEN_CLIP_BLOCK:
                yield f"{layer}{_OPEN_CLIP_BLOCK[part]}.{end}", StoredAt(key)


# A text encoder in a file of its own (host sd.py `detect_te_model`): a key only it has, the host's name.
_LONE: tuple[tuple[str, str], ...] = (
    ("text_model.encoder.layers.30.mlp.fc1.weight", "clip_g"),
    ("text_model.encoder.layers.22.mlp.fc1.weight", "clip_h"),
    ("text_model.encoder.layers.0.mlp.fc1.weight", "clip_l"),
    ("encoder.block.0.layer.0.SelfAttention.k.weight", "t5xxl"),
    ("model.layers.0.self_attn.k_proj.weight", "llama"),
)


def _lone_encoder(shapes: Shapes) -> str | None:
    if _is_open_clip(shapes):
        return "clip_g" if shapes["ln_final.weight"][0] == _REFINER_WIDTH else "clip_h"
    return next((name for marker, name in _LONE if marker in shapes), None)


def _is_open_clip(shapes: Shapes) -> bool:
    return "transformer.resblocks.0.ln_1.weight" in shapes and "ln_final.weight" in shapes
