"""The names diffusers gives the layers of a transformer, one table per family.

A table goes from the model's own module to diffusers' one, or to the several that diffusers keeps apart and
the model fuses; each of those is a slice of the fused weight. The correspondences are those of diffusers'
conversion scripts (scripts/convert_*_to_diffusers.py) and of the host's comfy/utils.py (`mmdit_to_diffusers`
and its neighbours).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .families import Family

Names = str | tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """`blocks` is {folder: (diffusers folder, {module in a block: names})}, `outside` {module: name}.

    `swapped` are modules whose output holds shift and scale, which diffusers keeps in the other order; one
    in a block is swapped only where it has these two outputs and no more (the last of SD3's blocks).
    """

    blocks: Mapping[str, tuple[str, Mapping[str, Names]]]
    outside: Mapping[str, str] = field(default_factory=dict)
    swapped: frozenset[str] = frozenset()


_QKV = ("attn.to_q", "attn.to_k", "attn.to_v")
_ADDED_QKV = ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj")

# Stability AI, "Scaling Rectified Flow Transformers" (2403.03206); host `mmdit_to_diffusers`.
_SD3 = Table(
    blocks={
        "joint_blocks": (
            "transformer_blocks",
            {
                "x_block.attn.qkv": _QKV,
                "x_block.attn2.qkv": ("attn2.to_q", "attn2.to_k", "attn2.to_v"),
                "context_block.attn.qkv": _ADDED_QKV,
                "context_block.adaLN_modulation.1": "norm1_context.linear",
                "context_block.attn.proj": "attn.to_add_out",
                "context_block.attn.ln_q": "attn.norm_added_q",
                "context_block.attn.ln_k": "attn.norm_added_k",
                "context_block.mlp.fc1": "ff_context.net.0.proj",
                "context_block.mlp.fc2": "ff_context.net.2",
                "x_block.adaLN_modulation.1": "norm1.linear",
                "x_block.attn.proj": "attn.to_out.0",
                "x_block.attn.ln_q": "attn.norm_q",
                "x_block.attn.ln_k": "attn.norm_k",
                "x_block.attn2.proj": "attn2.to_out.0",
                "x_block.attn2.ln_q": "attn2.norm_q",
                "x_block.attn2.ln_k": "attn2.norm_k",
                "x_block.mlp.fc1": "ff.net.0.proj",
                "x_block.mlp.fc2": "ff.net.2",
            },
        )
    },
    outside={
        "context_embedder": "context_embedder",
        "t_embedder.mlp.0": "time_text_embed.timestep_embedder.linear_1",
        "t_embedder.mlp.2": "time_text_embed.timestep_embedder.linear_2",
        "y_embedder.mlp.0": "time_text_embed.text_embedder.linear_1",
        "y_embedder.mlp.2": "time_text_embed.text_embedder.linear_2",
        "x_embedder.proj": "pos_embed.proj",
        "final_layer.adaLN_modulation.1": "norm_out.linear",
        "final_layer.linear": "proj_out",
    },
    swapped=frozenset({"final_layer.adaLN_modulation.1", "context_block.adaLN_modulation.1"}),
)

# AuraFlow (huggingface.co/fal/AuraFlow); host `auraflow_to_diffusers`. Its w1 is the text in double layers.
_AURAFLOW = Table(
    blocks={
        "double_layers": (
            "joint_transformer_blocks",
            {
                "attn.w2q": "attn.to_q",
                "attn.w2k": "attn.to_k",
                "attn.w2v": "attn.to_v",
                "attn.w2o": "attn.to_out.0",
                "attn.w1q": "attn.add_q_proj",
                "attn.w1k": "attn.add_k_proj",
                "attn.w1v": "attn.add_v_proj",
                "attn.w1o": "attn.to_add_out",
                "mlpX.c_fc1": "ff.linear_1",
                "mlpX.c_fc2": "ff.linear_2",
                "mlpX.c_proj": "ff.out_projection",
                "mlpC.c_fc1": "ff_context.linear_1",
                "mlpC.c_fc2": "ff_context.linear_2",
                "mlpC.c_proj": "ff_context.out_projection",
                "modX.1": "norm1.linear",
                "modC.1": "norm1_context.linear",
            },
        ),
        "single_layers": (
            "single_transformer_blocks",
            {
                "attn.w1q": "attn.to_q",
                "attn.w1k": "attn.to_k",
                "attn.w1v": "attn.to_v",
                "attn.w1o": "attn.to_out.0",
                "modCX.1": "norm1.linear",
                "mlp.c_fc1": "ff.linear_1",
                "mlp.c_fc2": "ff.linear_2",
                "mlp.c_proj": "ff.out_projection",
            },
        ),
    },
    outside={
        "t_embedder.mlp.0": "time_step_proj.linear_1",
        "t_embedder.mlp.2": "time_step_proj.linear_2",
        "cond_seq_linear": "context_embedder",
        "init_x_linear": "pos_embed.proj",
        "final_linear": "proj_out",
        "modF.1": "norm_out.linear",
    },
    swapped=frozenset({"modF.1"}),
)

# PixArt (2310.00426); host `pixart_to_diffusers`.
_PIXART = Table(
    blocks={
        "blocks": (
            "transformer_blocks",
            {
                "attn.qkv": ("attn1.to_q", "attn1.to_k", "attn1.to_v"),
                "attn.proj": "attn1.to_out.0",
                "cross_attn.q_linear": "attn2.to_q",
                "cross_attn.kv_linear": ("attn2.to_k", "attn2.to_v"),
                "cross_attn.proj": "attn2.to_out.0",
                "mlp.fc1": "ff.net.0.proj",
                "mlp.fc2": "ff.net.2",
            },
        )
    },
    outside={
        "csize_embedder.mlp.0": "adaln_single.emb.resolution_embedder.linear_1",
        "csize_embedder.mlp.2": "adaln_single.emb.resolution_embedder.linear_2",
        "ar_embedder.mlp.0": "adaln_single.emb.aspect_ratio_embedder.linear_1",
        "ar_embedder.mlp.2": "adaln_single.emb.aspect_ratio_embedder.linear_2",
        "t_embedder.mlp.0": "adaln_single.emb.timestep_embedder.linear_1",
        "t_embedder.mlp.2": "adaln_single.emb.timestep_embedder.linear_2",
        "t_block.1": "adaln_single.linear",
        "x_embedder.proj": "pos_embed.proj",
        "y_embedder.y_proj.fc1": "caption_projection.linear_1",
        "y_embedder.y_proj.fc2": "caption_projection.linear_2",
        "final_layer.linear": "proj_out",
    },
)

# Black Forest Labs' Flux.1 and what grew from it (Chroma, HunyuanVideo); host `flux_to_diffusers`.
_FLUX_DOUBLE: Mapping[str, Names] = {
    "img_attn.qkv": _QKV,
    "txt_attn.qkv": _ADDED_QKV,
    "img_attn.proj": "attn.to_out.0",
    "txt_attn.proj": "attn.to_add_out",
    "img_attn.norm.query_norm": "attn.norm_q",
    "img_attn.norm.key_norm": "attn.norm_k",
    "txt_attn.norm.query_norm": "attn.norm_added_q",
    "txt_attn.norm.key_norm": "attn.norm_added_k",
    "img_mod.lin": "norm1.linear",
    "txt_mod.lin": "norm1_context.linear",
    "img_mlp.0": "ff.net.0.proj",
    "img_mlp.2": "ff.net.2",
    "txt_mlp.0": "ff_context.net.0.proj",
    "txt_mlp.2": "ff_context.net.2",
}
_FLUX_SINGLE: Mapping[str, Names] = {
    "linear1": (*_QKV, "proj_mlp"),
    "linear2": "proj_out",
    "modulation.lin": "norm.linear",
    "norm.query_norm": "attn.norm_q",
    "norm.key_norm": "attn.norm_k",
}
_FLUX_OUTSIDE: Mapping[str, str] = {
    "img_in": "x_embedder",
    "txt_in": "context_embedder",
    "time_in.in_layer": "time_text_embed.timestep_embedder.linear_1",
    "time_in.out_layer": "time_text_embed.timestep_embedder.linear_2",
    "vector_in.in_layer": "time_text_embed.text_embedder.linear_1",
    "vector_in.out_layer": "time_text_embed.text_embedder.linear_2",
    "guidance_in.in_layer": "time_text_embed.guidance_embedder.linear_1",
    "guidance_in.out_layer": "time_text_embed.guidance_embedder.linear_2",
    "final_layer.adaLN_modulation.1": "norm_out.linear",
    "final_layer.linear": "proj_out",
    "pos_embed_input": "controlnet_x_embedder",
}
_FLUX_SWAPPED = frozenset({"final_layer.adaLN_modulation.1"})
_FLUX = Table(
    blocks={
        "double_blocks": ("transformer_blocks", _FLUX_DOUBLE),
        "single_blocks": ("single_transformer_blocks", _FLUX_SINGLE),
    },
    outside=_FLUX_OUTSIDE,
    swapped=_FLUX_SWAPPED,
)

# What diffusers calls otherwise in Flux.2 (its transformer_flux2.py): gated MLPs, single blocks kept fused,
# one modulation for all blocks. The host 0.3.75 reads Flux.2 by the table of Flux.1 alone.
_FLUX2_MORE = Table(
    blocks={
        "double_blocks": (
            "transformer_blocks",
            {
                "img_mlp.0": "ff.linear_in",
                "img_mlp.2": "ff.linear_out",
                "txt_mlp.0": "ff_context.linear_in",
                "txt_mlp.2": "ff_context.linear_out",
            },
        ),
        "single_blocks": (
            "single_transformer_blocks",
            {"linear1": "attn.to_qkv_mlp_proj", "linear2": "attn.to_out"},
        ),
    },
    outside={
        "double_stream_modulation_img.lin": "double_stream_modulation_img.linear",
        "double_stream_modulation_txt.lin": "double_stream_modulation_txt.linear",
        "single_stream_modulation.lin": "single_stream_modulation.linear",
        "time_in.in_layer": "time_guidance_embed.timestep_embedder.linear_1",
        "time_in.out_layer": "time_guidance_embed.timestep_embedder.linear_2",
        "guidance_in.in_layer": "time_guidance_embed.guidance_embedder.linear_1",
        "guidance_in.out_layer": "time_guidance_embed.guidance_embedder.linear_2",
    },
)

# Lumina 2 (2503.21758) and Z-Image; host `z_image_to_diffusers`.
_LUMINA_BLOCK: Mapping[str, Names] = {
    "attention.qkv": ("attention.to_q", "attention.to_k", "attention.to_v"),
    "attention.out": "attention.to_out.0",
    "attention.q_norm": "attention.norm_q",
    "attention.k_norm": "attention.norm_k",
    "attention_norm1": "attention_norm1",
    "attention_norm2": "attention_norm2",
    "feed_forward.w1": "feed_forward.w1",
    "feed_forward.w2": "feed_forward.w2",
    "feed_forward.w3": "feed_forward.w3",
    "ffn_norm1": "ffn_norm1",
    "ffn_norm2": "ffn_norm2",
    "adaLN_modulation.0": "adaLN_modulation.0",
}
_LUMINA = Table(
    blocks={folder: (folder, _LUMINA_BLOCK) for folder in ("layers", "context_refiner", "noise_refiner")},
    outside={
        "final_layer.linear": "all_final_layer.2-1.linear",
        "final_layer.adaLN_modulation.1": "all_final_layer.2-1.adaLN_modulation.1",
        "x_embedder": "all_x_embedder.2-1",
        "cap_embedder.0": "cap_embedder.0",
        "cap_embedder.1": "cap_embedder.1",
        "t_embedder.mlp.0": "t_embedder.mlp.0",
        "t_embedder.mlp.2": "t_embedder.mlp.2",
    },
)

# Wan in diffusers' transformer_wan.py; the host's map has none of these.
_WAN = Table(
    blocks={
        "blocks": (
            "blocks",
            {
                **{f"self_attn.{part}": f"attn1.to_{part}" for part in "qkv"},
                **{f"cross_attn.{part}": f"attn2.to_{part}" for part in "qkv"},
                "self_attn.o": "attn1.to_out.0",
                "cross_attn.o": "attn2.to_out.0",
                "cross_attn.k_img": "attn2.add_k_proj",
                "cross_attn.v_img": "attn2.add_v_proj",
                "self_attn.norm_q": "attn1.norm_q",
                "self_attn.norm_k": "attn1.norm_k",
                "cross_attn.norm_q": "attn2.norm_q",
                "cross_attn.norm_k": "attn2.norm_k",
                "cross_attn.norm_k_img": "attn2.norm_added_k",
                "ffn.0": "ffn.net.0.proj",
                "ffn.2": "ffn.net.2",
                "norm3": "norm2",
            },
        )
    },
    outside={
        "time_embedding.0": "condition_embedder.time_embedder.linear_1",
        "time_embedding.2": "condition_embedder.time_embedder.linear_2",
        "text_embedding.0": "condition_embedder.text_embedder.linear_1",
        "text_embedding.2": "condition_embedder.text_embedder.linear_2",
        "time_projection.1": "condition_embedder.time_proj",
        "img_emb.proj.1": "condition_embedder.image_embedder.ff.net.0.proj",
        "img_emb.proj.3": "condition_embedder.image_embedder.ff.net.2",
        "head.head": "proj_out",
    },
)

# LTX-Video in diffusers' transformer_ltx.py; the host's map has none of these.
_LTX = Table(
    blocks={
        "transformer_blocks": (
            "transformer_blocks",
            {
                f"{attention}.{ours}_norm": f"{attention}.norm_{ours}"
                for attention in ("attn1", "attn2")
                for ours in "qk"
            },
        )
    },
    outside={
        "patchify_proj": "proj_in",
        "adaln_single.linear": "time_embed.linear",
        "adaln_single.emb.timestep_embedder.linear_1": "time_embed.emb.timestep_embedder.linear_1",
        "adaln_single.emb.timestep_embedder.linear_2": "time_embed.emb.timestep_embedder.linear_2",
    },
)

TABLES: Mapping[Family, Table] = {
    Family.SD3: _SD3,
    Family.AURAFLOW: _AURAFLOW,
    Family.PIXART: _PIXART,
    Family.FLUX: _FLUX,
    Family.FLUX2: _FLUX,
    Family.CHROMA: _FLUX,
    Family.LUMINA2: _LUMINA,
    Family.Z_IMAGE: _LUMINA,
}
"""The tables of which the host has the like."""

MORE_TABLES: Mapping[Family, Table] = {
    Family.FLUX2: _FLUX2_MORE,
    Family.HUNYUAN_VIDEO: Table(_FLUX.blocks),
    Family.HUNYUAN_IMAGE: Table(_FLUX.blocks),
    Family.LTX: _LTX,
    Family.WAN: _WAN,
}
"""Names trainers write that the host does not know."""
