"""Two ways to a patched model, and the weights each gives: shared by the tests of this ring."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import comfy.model_management
import comfy.utils
import nodes
import torch
from torch import Tensor

FP32_TOLERANCE = 1e-6

Rows = Sequence[tuple[str, float, float]]  # name, strength for the model, strength for the text encoder


def host_chain(model: Any, clip: Any, rows: Rows) -> tuple[Any, Any]:
    """The host's own loaders, one after another."""
    for name, strength_model, strength_clip in rows:
        if clip is None:
            (model,) = nodes.LoraLoaderModelOnly().load_lora_model_only(model, name, strength_model)
        else:
            model, clip = nodes.LoraLoader().load_lora(model, clip, name, strength_model, strength_clip)
    return model, clip


def our_stack(
    pack: Any, model: Any, clip: Any, rows: Rows, mismatch: str = "error", mode: str = "auto"
) -> tuple[Any, Any, str]:
    """Our nodes, as the host would call them. The third is the report."""
    text = "\n".join(f"<lora:{name}:unet={m}:te={c}>" for name, m, c in rows)
    stack, _ = pack.NODE_CLASS_MAPPINGS["LoraRackStack"]().build(text)
    return pack.NODE_CLASS_MAPPINGS["LoraRackApply"]().apply(model, stack, mismatch, clip, mode)["result"][:3]


def patched_weights(patcher: Any) -> dict[str, Tensor]:
    """The weights as the host would sample with them; everything is unloaded again afterwards."""
    try:
        comfy.model_management.load_models_gpu([patcher], force_full_load=True)
        state = patcher.model.state_dict()
        return {key: state[key].clone() for key in patcher.patches}
    finally:
        comfy.model_management.unload_all_models()


@contextmanager
def set_by_hand(model: Any, weights: Mapping[str, Tensor]) -> Iterator[None]:
    """The model with other numbers in some weights."""
    comfy.model_management.unload_all_models()
    held = {key: comfy.utils.get_attr(model.model, key) for key in weights}
    before = {key: tensor.detach().clone() for key, tensor in held.items()}
    try:
        for key, tensor in held.items():
            tensor.data.copy_(weights[key])
        yield
    finally:
        comfy.model_management.unload_all_models()
        for key, tensor in held.items():
            tensor.data.copy_(before[key])


def assert_equal(ours: Any, theirs: Any, record: Any) -> None:
    """The weights of two patchers agree as far as rounding lets them, and something was patched.

    fp32: largest difference ≤ 1e-6 of the weight's largest value. fp16 and bf16: both sides round a sum made
    in fp32, so no number is further than one unit in the last place from the host's, unless the two are
    within that same 1e-6 (where terms cancel to almost nothing, a unit in the last place is smaller than
    fp32's own error).
    """
    ours, theirs = patched_weights(ours), patched_weights(theirs)
    assert ours.keys() == theirs.keys()
    assert ours, "nothing was patched"
    relative = max(_relative(ours[key], theirs[key]) for key in ours)
    steps = max(_steps_beyond(FP32_TOLERANCE, ours[key], theirs[key]) for key in ours)
    record("largest_relative_difference", relative)
    record("largest_steps", steps)
    if next(iter(ours.values())).dtype == torch.float32:
        assert relative <= FP32_TOLERANCE, relative
    else:
        assert steps <= 1, steps


def _relative(ours: Tensor, theirs: Tensor) -> float:
    """Largest difference in parts of the weight's largest value."""
    assert ours.dtype == theirs.dtype
    assert ours.shape == theirs.shape
    return (_apart(ours, theirs).max() / _scale(theirs)).item()


def _steps_beyond(tolerance: float, ours: Tensor, theirs: Tensor) -> int:
    """Units in the last place between half-precision numbers that differ by more than `tolerance` · scale."""
    if ours.dtype == torch.float32:
        return 0
    apart = _apart(ours, theirs) > tolerance * _scale(theirs)
    return int((_ordinals(ours[apart]) - _ordinals(theirs[apart])).abs().max()) if apart.any() else 0


def _apart(ours: Tensor, theirs: Tensor) -> Tensor:
    # Numbers this near to each other have an exact difference in fp32 (Sterbenz' lemma).
    return ours.float().sub_(theirs).abs_()


def _scale(weight: Tensor) -> Tensor:
    low, high = weight.aminmax()
    return torch.maximum(-low, high).float()


def _ordinals(values: Tensor) -> Tensor:
    """Half-precision numbers as integers in their order, so that neighbours differ by 1."""
    bits = values.view(torch.int16).to(torch.int32)
    return torch.where(bits < 0, -(bits & 0x7FFF), bits)
