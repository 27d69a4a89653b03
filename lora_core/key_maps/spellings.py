"""What trainers put before the path of a layer: names a key map may know a layer under.

Paths, and what they mean in each family of models, are the business of key_maps. These prefixes are tried, in
order, for a name no map has, so that a family only the host knows is read in every trainer's habit too.
"""

from __future__ import annotations

from collections.abc import Iterator

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


def spellings(name: str) -> Iterator[str]:
    """The names, other than itself, under which a key map may know the layer `name`."""
    for prefix, ours in _TEXT.items():
        if name.startswith(prefix):
            yield ours + name.removeprefix(prefix)
    for prefix in _UNDERSCORED:
        if name.startswith(prefix):
            yield from (known + name.removeprefix(prefix) for known in _UNDERSCORED_IN_MAPS)
            return
    path = _without_prefixes(name)
    yield from (known + path for known in _DOTTED_IN_MAPS)


def _without_prefixes(name: str) -> str:
    prefix = next((prefix for prefix in _DOTTED if name.startswith(prefix)), None)
    return name if prefix is None else _without_prefixes(name.removeprefix(prefix))
