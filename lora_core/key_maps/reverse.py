"""The model key a layer name means, as far as a name alone can tell, when there is no model to ask.

Good enough to say which block and element a layer is in; which weight it really is, only a key map knows.
"""

from __future__ import annotations

import re

from ..families import Family
from .layer_names import canonical, modules_named
from .names import PREFIX

_ENCODER = re.compile(r"text encoder (\d): (.+)")
_BARE = re.compile(
    r"(?:base_model\.model\.|model\.diffusion_model\.|diffusion_model\.|transformer\.|unet\.)+"
)
# Modules whose own names have underscores, longest first, to part what a trainer joined by underscores.
_WORDS = (
    "individual_token_refiner|joint_transformer_blocks|single_transformer_blocks|transformer_blocks|"
    "double_stream_blocks|single_stream_blocks|double_blocks|single_blocks|joint_blocks|vace_blocks|"
    "double_layers|single_layers|noise_refiner|context_refiner|fuser_blocks|face_adapter|llm_adapter|"
    "down_blocks|up_blocks|input_blocks|output_blocks|middle_block|text_model|text_projection|"
    "adaLN_modulation|feed_forward|self_attention|cross_attention|self_attn|cross_attn|"
    "img_attn|txt_attn|img_mlp|txt_mlp|img_mod|txt_mod|x_block|context_block|skip_connection|skip_linear|"
    "add_q_proj|add_k_proj|add_v_proj|to_add_out|to_q|to_k|to_v|to_out|q_proj|k_proj|v_proj|out_proj|o_proj|"
    "gate_proj|up_proj|down_proj|q_img|k_img|v_img|q_linear|kv_linear|q_norm|k_norm|norm_q|norm_k|"
    "proj_in|proj_out|in_layers|out_layers|emb_layers|time_embed|label_emb|layer_norm1|layer_norm2|"
    "embed_tokens|token_embedding|position_embedding|img_in|txt_in|time_in|vector_in|guidance_in|"
    "final_layer|time_embedding|time_projection|text_embedding|patch_embedding|img_emb|cap_embedder|"
    "x_embedder|t_embedder|distilled_guidance_layer|patchify_proj|caption_projection|adaln_single|"
    "scale_shift_table|norm_out|modulation"
)
_PARTED = re.compile(rf"(?:{_WORDS}|[^_]+)(?=_|$)")


def likely_key(layer: str, family: Family | None) -> str:
    """The key of the weight that a layer of a LoRA for a model of `family` names."""
    is_bias = layer.endswith(".bias")
    layer = layer.removesuffix(".bias")
    name = canonical(layer)
    if found := _ENCODER.fullmatch(name):
        return _encoder_key(int(found[1]), _dotted(found[2]), family)
    path = modules_named(layer).get(family.root.id) if family is not None else None
    if path is None:
        path = _BARE.sub("", layer) if "." in layer else _dotted(name)
    return f"{PREFIX}{path}.{'bias' if is_bias else 'weight'}"


def _encoder_key(number: int, path: str, family: Family | None) -> str:
    """Named after the encoder that has layers of such names; two CLIPs are l and g by their number."""
    if path.startswith("encoder.block."):
        encoder = "umt5xxl" if family is not None and family.id == "wan" else "t5xxl"
    elif path.startswith(("model.", "layers.")):
        encoder, path = "llama", f"model.{path.removeprefix('model.')}"
    else:
        encoder = "clip_l" if number == 1 else "clip_g"
    return f"{encoder}.transformer.{path}.weight"


def _dotted(joined: str) -> str:
    return ".".join(_PARTED.findall(joined))
