"""Which other names a layer goes by: the spellings trainers write and the host's key maps lack.

The host's own spellings always win; these are tried, in order, when it does not know a name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

T = TypeVar("T")

# What trainers put before the path of a module, and what the host's maps may have it under.
_DOTTED = (
    "base_model.model.",
    "model.diffusion_model.",
    "diffusion_model.",
    "transformer.",
    "unet.",
    "model.",
)
_DOTTED_IN_MAPS = ("diffusion_model.", "transformer.", "", "unet.", "text_encoder.")
_UNDERSCORED = ("lora_unet_", "lora_transformer_", "lycoris_", "lora_prior_unet_", "oft_unet_")
_UNDERSCORED_IN_MAPS = ("lora_unet_", "lora_transformer_", "lycoris_", "lora_prior_unet_")
_TEXT = {"oft_te_": "lora_te_", "oft_te1_": "lora_te1_", "oft_te2_": "lora_te2_"}

# Diffusers' names of modules → the model's, per family (diffusers loaders/lora_conversion_utils.py).
_FAMILIES: tuple[tuple[tuple[str, str], ...], ...] = (
    (  # Wan
        ("attn1.", "self_attn."),
        ("attn2.", "cross_attn."),
        (".to_q", ".q"),
        (".to_k", ".k"),
        (".to_v", ".v"),
        (".to_out.0", ".o"),
        (".add_k_proj", ".k_img"),
        (".add_v_proj", ".v_img"),
        (".norm_added_k", ".norm_k_img"),
        ("ffn.net.0.proj", "ffn.0"),
        ("ffn.net.2", "ffn.2"),
        ("condition_embedder.time_embedder.linear_1", "time_embedding.0"),
        ("condition_embedder.time_embedder.linear_2", "time_embedding.2"),
        ("condition_embedder.time_proj", "time_projection.1"),
        ("condition_embedder.text_embedder.linear_1", "text_embedding.0"),
        ("condition_embedder.text_embedder.linear_2", "text_embedding.2"),
        ("condition_embedder.image_embedder.ff.net.0.proj", "img_emb.proj.1"),
        ("condition_embedder.image_embedder.ff.net.2", "img_emb.proj.3"),
        ("proj_out", "head.head"),
    ),
    (("proj_in", "patchify_proj"), ("time_embed.", "adaln_single.")),  # LTX-Video
    (  # Flux.2, whose single blocks are fused
        ("single_transformer_blocks.", "single_blocks."),
        (".attn.to_qkv_mlp_proj", ".linear1"),
        (".attn.to_out", ".linear2"),
    ),
    (("_norm.scale", "_norm"),),  # norms of Flux, whose parameter newer hosts call `weight`
)


def spellings(name: str) -> Iterator[str]:
    """The names, other than itself, under which a key map may know the layer `name`."""
    for prefix, ours in _TEXT.items():
        if name.startswith(prefix):
            yield ours + name.removeprefix(prefix)
    for prefix in _UNDERSCORED:
        if name.startswith(prefix):
            for path in _forms(name.removeprefix(prefix), separator="_"):
                yield from (known + path for known in _UNDERSCORED_IN_MAPS)
            return
    for path in _forms(_without_prefixes(name), separator="."):
        yield from (known + path for known in _DOTTED_IN_MAPS)


def _without_prefixes(name: str) -> str:
    prefix = next((prefix for prefix in _DOTTED if name.startswith(prefix)), None)
    return name if prefix is None else _without_prefixes(name.removeprefix(prefix))


def _forms(path: str, separator: str) -> Iterator[str]:
    """The path as it is, with the attention processors of older diffusers, and in each family's own names."""
    yield path
    if separator == "." and ".to_" in path:
        yield path.replace(".to_", ".processor.to_").removesuffix(".0")
    for family in _FAMILIES:
        renamed = path
        for theirs, ours in family:
            renamed = renamed.replace(theirs.replace(".", separator), ours.replace(".", separator))
        if renamed != path:
            yield renamed


def widen(names: Mapping[str, T]) -> dict[str, T]:
    """A key map with every layer of its text encoders in kohya's and diffusers' spelling.

    The host's own has them for the attention and MLPs of CLIP alone, and of LLM encoders only under
    `text_encoders.<path>` (comfy/lora.py `model_lora_keys_clip`).
    """
    wide = dict(names)
    layers = [_encoder_layer(name) for name in names]
    encoders = {layer[0] for layer in layers if layer is not None}
    prefixes = {encoder: _encoder_prefixes(encoder, encoders) for encoder in encoders}
    for target, layer in zip(names.values(), layers, strict=True):
        if layer is None:
            continue
        encoder, path = layer
        for number in prefixes[encoder]:
            for short in dict.fromkeys((path, path.removeprefix("model."))):
                wide.setdefault(f"lora_te{number}_{short.replace('.', '_')}", target)
                wide.setdefault(f"text_encoder{_diffusers_number(number)}.{short}", target)
    return wide


def _encoder_layer(name: str) -> tuple[str, str] | None:
    """The encoder and the path inside it of `text_encoders.<encoder>.transformer.<path>`."""
    start, _, path = name.partition(".transformer.")
    return (
        (start.removeprefix("text_encoders."), path) if path and start.startswith("text_encoders.") else None
    )


def _encoder_prefixes(encoder: str, encoders: set[str]) -> tuple[str, ...]:
    """The numbers a text encoder has in kohya's names, as the host counts them; "" is a sole one's."""
    clips = len(encoders & {"clip_l", "clip_g"})
    if encoder in ("clip_l", "clip_h") or len(encoders) == 1:
        return ("", "1")
    if encoder == "clip_g":
        return ("2",)
    return (str(clips + 1),) if encoder == "t5xxl" else ()


def _diffusers_number(number: str) -> str:
    return "" if number in ("", "1") else f"_{number}"
