"""Keys of models by name, as their networks have them: enough of each to know the family and every block."""

from __future__ import annotations

from lora_core.blocks import ModelBlocks, blocks_of_model

Shapes = dict[str, tuple[int, ...]]
_RESNET = ("in_layers.0", "in_layers.2", "emb_layers.1", "out_layers.0", "out_layers.3")
_TRANSFORMER = (
    "norm",
    "proj_in",
    "proj_out",
    *(f"transformer_blocks.0.attn{n}.to_{part}" for n in (1, 2) for part in ("q", "k", "v", "out.0")),
    "transformer_blocks.0.ff.net.0.proj",
    "transformer_blocks.0.ff.net.2",
)


def unet(blocks: int, context: int) -> Shapes:
    """A UNet with so many blocks a side, whose attention reads texts of width `context`."""
    paths = ["time_embed.0", "label_emb.0.0", "input_blocks.0.0", "out.0", "out.2"]
    paths += [f"middle_block.{n}.{part}" for n in (0, 2) for part in _RESNET]
    paths += [f"middle_block.1.{part}" for part in _TRANSFORMER]
    for number in range(blocks):
        for side in ("input_blocks", "output_blocks"):
            if number or side == "output_blocks":
                paths += [f"{side}.{number}.0.{part}" for part in _RESNET]
                paths += [f"{side}.{number}.1.{part}" for part in _TRANSFORMER]
    return {f"diffusion_model.{p}.weight": (8, context if p.endswith("attn2.to_k") else 8) for p in paths}


def flux(double: int = 19, single: int = 38) -> Shapes:
    """Flux.1 with so many blocks of each kind."""
    paths = ["img_in", "txt_in", "time_in.in_layer", "final_layer.linear"]
    for number in range(double):
        paths += [f"double_blocks.{number}.{s}_{p}" for s in ("img", "txt") for p in ("attn.qkv", "mlp.0")]
    paths += [f"single_blocks.{number}.linear1" for number in range(single)]
    shapes: Shapes = {f"diffusion_model.{path}.weight": (8, 8) for path in paths}
    return {**shapes, "diffusion_model.double_blocks.0.img_attn.norm.key_norm.scale": (8,)}


def text_encoders() -> Shapes:
    """CLIP-L with two layers, T5 and an LLM with one."""
    return {
        **{f"clip_l.transformer.text_model.encoder.layers.{n}.mlp.fc1.weight": (8, 8) for n in (0, 1)},
        "clip_l.transformer.text_projection.weight": (8, 8),
        "t5xxl.transformer.encoder.block.0.layer.0.SelfAttention.q.weight": (8, 8),
        "llama.transformer.model.layers.0.self_attn.q_proj.weight": (8, 8),
    }


SD1: ModelBlocks = blocks_of_model(unet(12, 768))
SDXL: ModelBlocks = blocks_of_model(unet(9, 2048))
FLUX: ModelBlocks = blocks_of_model(flux())
TEXT: ModelBlocks = blocks_of_model(text_encoders())
UNKNOWN: ModelBlocks = blocks_of_model(
    {
        **{f"diffusion_model.stage_blocks.{n}.attn.to_{p}.weight": (8, 8) for n in range(3) for p in "qkv"},
        **{f"diffusion_model.embed_seq.{n}.weight": (8, 8) for n in (0, 2)},
        "diffusion_model.final_proj.weight": (8, 8),
    }
)
MODELS: dict[str, ModelBlocks] = {"SD1": SD1, "SDXL": SDXL, "Flux.1": FLUX, "text": TEXT, "unknown": UNKNOWN}
