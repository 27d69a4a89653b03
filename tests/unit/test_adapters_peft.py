"""Files PEFT saves, read from its folder, against the weights PEFT merges.

End to end: keys, adapter_config.json, formulas, matching and fusing. PEFT's strength is `scale_layer`, which
multiplies the scale of ΔW; its IA³ has none. A DoRA's strength is a fader, so PEFT is asked at 1 and the way
from the weight to what it says there is gone by the strength.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from oracles import CONV, DTYPES, LINEAR, STRENGTHS, check, layer, patched
from peft import BOFTConfig, IA3Config, LoHaConfig, LoKrConfig, LoraConfig, OFTConfig, get_peft_model
from peft.tuners.boft.layer import BOFTLayer
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from lora_core.adapters.input_rotation import InputBOFT
from lora_core.key_maps.key_map import Target
from lora_core.reading.contents import read_file
from lora_core.reading.lora import Lora, read_lora

RANKS = (1, 8, 128)


class _Model(nn.Module):
    """One layer of each kind, under the paths a transformer has."""

    def __init__(self) -> None:
        super().__init__()
        self.attn = nn.ModuleDict({"to_q": layer(LINEAR), "to_k": layer(LINEAR)})
        self.conv = layer(CONV)
        self.token_embedding = nn.Embedding(40, 24)
        with torch.no_grad():
            self.token_embedding.weight.mul_(0.05)

    def forward(self, x: Tensor) -> Tensor:
        return self.attn["to_q"](x)


NAMES = {
    f"diffusion_model.{path}": Target(f"{path}.weight")
    for path in ("attn.to_q", "attn.to_k", "conv", "token_embedding")
}
EVERYWHERE = ["to_q", "to_k", "conv", "token_embedding"]
MATRICES = ["to_q", "to_k", "conv"]


def _lora(rank: int, **options: Any) -> LoraConfig:
    options = {"target_modules": EVERYWHERE, "lora_alpha": rank * 1.5, **options}
    return LoraConfig(r=rank, init_lora_weights=False, **options)


CONFIGS: dict[str, Callable[[int], Any]] = {
    "LoRA": _lora,
    "LoRA, rank-stabilised": lambda rank: _lora(rank, use_rslora=True),
    "LoRA, bias": lambda rank: _lora(rank, lora_bias=True, target_modules=MATRICES),
    "LoRA, patterns": lambda rank: _lora(
        rank, rank_pattern={"^attn.to_q": rank + 1, "nv": 3}, alpha_pattern={r"attn\.to_.": 5.0, "^conv": 0.5}
    ),
    "DoRA on LoRA, rows": lambda rank: _lora(rank, use_dora=True, target_modules=MATRICES),
    "LoHa": lambda rank: LoHaConfig(r=rank, alpha=rank * 2, target_modules=MATRICES, init_weights=False),
    "LoKr": lambda rank: LoKrConfig(r=rank, alpha=rank * 0.5, target_modules=MATRICES, init_weights=False),
}


def _trained(config: Any, dtype: torch.dtype, size: float) -> tuple[nn.Module, Any]:
    """The base model, and a PEFT model on it with random factors that `dtype` can hold."""
    torch.manual_seed(3)
    base = _Model()
    weights = {key: weight.detach().clone() for key, weight in base.state_dict().items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = get_peft_model(base, config)
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if parameter.requires_grad:
                near = 1 if "magnitude" in key or "ia3_l" in key else 0
                noise = torch.randn_like(parameter) * size
                parameter.copy_((parameter * (1 + noise) if near else noise).to(dtype))
    return weights, model


def _saved(model: Any, folder: Path, dtype: torch.dtype) -> Lora:
    """What read_lora makes of the folder PEFT saves, its tensors in `dtype`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save_pretrained(folder)
    path = folder / "adapter_model.safetensors"
    save_file({key: tensor.to(dtype) for key, tensor in load_file(path).items()}, path)
    return read_lora(read_file(path))


def _merged(model: Any, strength: float) -> dict[str, Tensor]:
    """PEFT's merged weights by the base model's keys."""
    merged = {}
    for name, part in model.base_model.model.named_modules():
        if hasattr(part, "base_layer"):
            part = deepcopy(part)  # merging leaves more behind than a changed weight
            if hasattr(part, "scaling"):
                # What `scale_layer` does, which skips embeddings.
                part.scaling["default"] *= strength
            with torch.no_grad():
                part.merge(safe_merge=True)
            merged |= {f"{name}.{key}": tensor for key, tensor in part.base_layer.state_dict().items()}
    return merged


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: str(d).removeprefix("torch."))
@pytest.mark.parametrize("kind", CONFIGS)
def test_peft_agrees(kind: str, dtype: torch.dtype, tmp_path: Path, record_property: Any) -> None:
    triples = []
    for rank in RANKS:
        weights, model = _trained(CONFIGS[kind](rank), dtype, 0.2 * rank**-0.25)
        lora = _saved(model, tmp_path / str(rank), dtype)
        assert not lora.unknown_keys
        for strength in STRENGTHS:
            ours = patched(weights, NAMES, [(lora, strength)])
            merged = _merged(model, strength if "DoRA" not in kind else 1.0)
            if "DoRA" in kind:
                merged = {key: torch.lerp(weights[key], theirs, strength) for key, theirs in merged.items()}
            triples += [(ours[key], theirs, weights[key]) for key, theirs in merged.items()]
    record_property("kind", kind)
    record_property("oracle", "PEFT")
    check(triples, record_property)


@pytest.mark.parametrize("on_input", [False, True], ids=["outputs", "inputs"])
def test_pefts_ia3_agrees(on_input: bool, tmp_path: Path, record_property: Any) -> None:
    config = IA3Config(
        target_modules=["to_q", "to_k"],
        feedforward_modules=["to_q", "to_k"] if on_input else [],
        init_ia3_weights=False,
    )
    weights, model = _trained(config, torch.float32, 0.3)
    lora = _saved(model, tmp_path, torch.float32)
    assert not lora.unknown_keys
    ours = patched(weights, NAMES, [(lora, 1.0)])
    record_property("kind", f"IA3, {'inputs' if on_input else 'outputs'}")
    record_property("oracle", "PEFT")
    check([(ours[k], theirs, weights[k]) for k, theirs in _merged(model, 1.0).items()], record_property)


ROTATIONS: dict[str, Any] = {
    "OFT of PEFT": OFTConfig(r=0, oft_block_size=4, target_modules=MATRICES, init_weights=False),
    "OFT of PEFT, one block": OFTConfig(
        r=0, oft_block_size=4, block_share=True, target_modules=["to_q"], init_weights=False
    ),
    "BOFT of PEFT": BOFTConfig(boft_block_size=4, target_modules=["to_q", "conv"], init_weights=False),
}


@pytest.mark.parametrize("kind", ROTATIONS)
def test_pefts_rotations_agree(kind: str, tmp_path: Path, record_property: Any) -> None:
    """They have no strength in PEFT, so ours is held to the way from the weight to what PEFT merges."""
    weights, model = _trained(ROTATIONS[kind], torch.float32, 0.1)
    lora = _saved(model, tmp_path, torch.float32)
    assert not lora.unknown_keys
    merged = {key: tensor for key, tensor in _merged(model, 1.0).items() if key.endswith(".weight")}
    triples = []
    for strength in STRENGTHS:
        ours = patched(weights, NAMES, [(lora, strength)])
        triples += [
            (ours[key], torch.lerp(weights[key], theirs, strength), weights[key])
            for key, theirs in merged.items()
        ]
    record_property("kind", kind)
    record_property("oracle", "PEFT")
    check(triples, record_property)


def test_the_stages_of_pefts_boft_agree() -> None:
    """PEFT multiplies several stages on CUDA alone, so its pieces are put together here."""
    inputs, block, stages = 48, 4, 3
    generator = torch.Generator().manual_seed(5)
    blocks = torch.randn(stages, inputs // block, block, block, generator=generator) * 0.3
    weight, factor = torch.randn(10, inputs, generator=generator), 1 + torch.rand(10, generator=generator)
    whole = torch.eye(inputs)
    for stage in range(stages):
        order = BOFTLayer.block_butterfly_perm(None, inputs, inputs // block // 2**stage, block // 2, stage)
        mixed = torch.eye(inputs)[order]
        turns = torch.block_diag(*BOFTLayer.cayley_batch(None, blocks[stage]))
        whole = mixed @ turns @ mixed.T @ whole
    ours = InputBOFT(blocks, factor).apply(weight.clone(), 1.0, torch.float32)
    torch.testing.assert_close(ours, (whole @ weight.T).T * factor[:, None], rtol=1e-5, atol=1e-5)


def test_the_source_of_the_scale_is_told(tmp_path: Path) -> None:
    _, model = _trained(_lora(4, lora_alpha=8), torch.float32, 0.1)
    (note,) = _saved(model, tmp_path, torch.float32).notes
    assert note == "scale 2 from adapter_config.json beside it; ComfyUI does not read it and would apply 1"


def test_a_config_in_the_metadata_is_read_per_component(tmp_path: Path) -> None:
    tensors = {}
    for component, rank in (("transformer", 4), ("text_encoder", 2)):
        tensors[f"{component}.attn.to_q.lora_A.weight"] = torch.randn(rank, 40)
        tensors[f"{component}.attn.to_q.lora_B.weight"] = torch.randn(24, rank)
    config = {
        "transformer.r": 4,
        "transformer.lora_alpha": 8,
        "text_encoder.r": 2,
        "text_encoder.lora_alpha": 1,
    }
    path = tmp_path / "style.safetensors"
    save_file(tensors, path, {"lora_adapter_metadata": json.dumps(config)})
    lora = read_lora(read_file(path))
    scales = {name: adapters[0].scale for name, adapters in lora.layers.items()}
    assert scales == {"transformer.attn.to_q": 2.0, "text_encoder.attn.to_q": 0.5}
    assert lora.notes[0].startswith("scale 0.5 to 2 from its own metadata")


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"r": 16, "lora_alpha": 32}, "rank 16 where the file has 4"),
        ({"r": 4, "lora_alpha": 32, "target_modules": ["proj"]}, "no layer x.to_q"),
    ],
)
def test_another_loras_config_is_not_used_and_that_is_told(
    config: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    path = tmp_path / "style.safetensors"
    save_file({"x.to_q.lora_A.weight": torch.ones(4, 8), "x.to_q.lora_B.weight": torch.ones(8, 4)}, path)
    (tmp_path / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
    lora = read_lora(read_file(path))
    assert lora.layers["x.to_q"][0].scale == 1
    assert reason in lora.notes[0]


def test_an_alpha_in_the_file_wins(tmp_path: Path) -> None:
    path = tmp_path / "style.safetensors"
    tensors = {
        "x.lora_A.weight": torch.ones(4, 8),
        "x.lora_B.weight": torch.ones(8, 4),
        "x.alpha": torch.tensor(2.0),
    }
    save_file(tensors, path)
    (tmp_path / "adapter_config.json").write_text('{"r": 4, "lora_alpha": 64}', encoding="utf-8")
    lora = read_lora(read_file(path))
    assert lora.layers["x"][0].scale == 0.5
    assert lora.notes == ()


def test_a_broken_config_does_not_concern_a_file_with_alphas(tmp_path: Path) -> None:
    path = tmp_path / "style.safetensors"
    tensors = {"x.lora_up.weight": torch.ones(8, 4), "x.lora_down.weight": torch.ones(4, 8)}
    save_file({**tensors, "x.alpha": torch.tensor(2.0)}, path)
    (tmp_path / "adapter_config.json").write_text("{", encoding="utf-8")
    assert read_lora(read_file(path)).layers["x"][0].scale == 0.5
