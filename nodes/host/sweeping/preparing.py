"""A sweep on the host's model, latent and text encoder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import comfy.model_patcher
import comfy.patcher_extension
import torch
from comfy.nested_tensor import NestedTensor
from torch import Tensor

from ....lora_core.applying import Verdict, require_blocks, weights_in
from ....lora_core.axes import Axis, Sweep
from ....lora_core.errors import SweepMismatch
from ....lora_core.live import Plan, StrengthsAt, timed
from ..key_maps import clip_map, model_map
from ..live import live_model, not_live, with_rows
from ..patching import apply_stack, judge, require_held, with_metadata
from ..protocols import Clip, Guider, Patcher
from .conds import PER_GROUP, CondPart, PerGroup
from .sampling import Passes, SweepSampling

_KEY = "lora_rack_sweep"


@dataclass(frozen=True, eq=False)
class LoraSweep:
    """What flows over a LORA_SWEEP wire: the sweep, the latents of each strength, and how it was sampled."""

    sweep: Sweep
    latents: int
    passes: Passes = field(default_factory=Passes)


@dataclass(frozen=True, eq=False)
class Prepared:
    """Model, text encoder (None where none is connected) and latent, ready for the host's samplers."""

    model: Patcher
    clip: Clip | None
    latent: dict[str, Any]
    sweep: LoraSweep


def prepare_sweep(
    model: Patcher, clip: Clip | None, latent: dict[str, Any], sweep: Sweep, shows_all: bool = False
) -> Prepared:
    """The stack applied, and the swept LoRAs ready to act with a strength per row of the latent.

    With `shows_all` the preview while sampling is one picture of all rows.

    The text encoder has the stack alone: `encode_sweep` gives it each strength. Raises what `apply_stack`
    raises, for the swept LoRAs too, and SweepMismatch for a model that is swept already.
    """
    if model.get_wrappers(comfy.patcher_extension.WrappersMP.OUTER_SAMPLE, _KEY):
        raise SweepMismatch("the model comes from a sweep already. Sweep two LoRAs as two axes of one sweep")
    swept = [axis.entry for axis in sweep.axes]
    require_blocks(swept, model_map(model))
    clip_names = clip_map(clip) if clip is not None else None
    verdicts = [judge(entry, model_map(model), clip_names) for entry in swept]
    for verdict in verdicts:
        verdict.require_lora()
        verdict.require_effect()
    applied = apply_stack(model, clip, sweep.stack)
    wire = LoraSweep(sweep, _count(latent))
    assert applied.model is not None  # one was given
    swept_model, sampling = _swept_model(with_metadata(applied.model, verdicts), sweep, verdicts)
    sampling = replace(
        sampling,
        is_numbered="batch_index" in latent,
        columns=sweep.columns * wire.latents if shows_all else 0,
        passes=wire.passes,
    )
    _put_outermost(swept_model, sampling)
    return Prepared(swept_model, applied.clip, _latent(latent, sweep), wire)


def _put_outermost(model: Patcher, sampling: SweepSampling) -> None:
    """Around all other wrappers of a sampling, so that to them each part is a sampling of its own."""
    kind = comfy.patcher_extension.WrappersMP.OUTER_SAMPLE
    model.wrappers[kind] = {_KEY: [sampling], **model.wrappers.get(kind, {})}


def _swept_model(model: Patcher, sweep: Sweep, verdicts: Sequence[Verdict]) -> tuple[Patcher, SweepSampling]:
    """The model whose rows have strengths, and the wrapper it is to be sampled with."""
    matches = [verdict.model for verdict in verdicts if verdict.model is not None]
    weights = [weights_in(verdict.entry.blocks, model_map(model)) for verdict in verdicts]
    plan = Plan.of(matches, weights)
    keys, merged = not_live(model, plan), _Merged(sweep).strengths
    strongest = [axis.at(max(axis.values, key=abs)) for axis in sweep.axes]
    at_most = [replace(v, entry=entry) for v, entry in zip(verdicts, strongest, strict=True)]
    require_held(model, model_map(model), at_most)
    if keys:
        # What cannot be written, such as a window, is refused here and not in the midst of a sampling.
        apply_stack(model, None, [axis.at(1.0) for axis in sweep.axes])
        reason = f"{keys[0]} can only be changed by writing the weights"
        return model.clone(), SweepSampling(sweep, None, merged, reason)
    live = live_model(model, plan, _strengths_at(sweep))
    return live, SweepSampling(sweep, _live_strengths, merged)


def _strengths_at(sweep: Sweep) -> Tensor | StrengthsAt:
    """Model strengths (axes, rows), or a function of the moment where one changes during the sampling."""
    rows = [sweep.swept(row) for row in range(len(sweep.rows))]
    strengths = torch.tensor([[entry.strength_model for entry in row] for row in rows]).T.contiguous()
    return timed(strengths, [axis.entry for axis in sweep.axes])


@contextmanager
def _live_strengths(guider: Guider, part: CondPart) -> Iterator[None]:
    options = guider.model_options
    guider.model_options = with_rows(options, part.row_groups)
    try:
        yield
    finally:
        guider.model_options = options


@dataclass(frozen=True, eq=False)
class _Merged:
    """Strengths written into the weights, one after another, where a forward term will not do."""

    sweep: Sweep

    @contextmanager
    def strengths(self, guider: Guider, part: CondPart) -> Iterator[None]:
        """Let the guider sample a patched clone of its model instead.

        Of its model, not of the one the sweep was made from: nodes between may have changed it.
        """
        (row,) = part.groups
        before, options = guider.model_patcher, guider.model_options
        patched = apply_stack(before, None, self.sweep.swept(row)).model or before
        guider.model_patcher = patched
        guider.model_options = with_rows(_with_new_wrappers(options, patched, before), ())
        try:
            yield
        finally:
            guider.model_patcher, guider.model_options = before, options


def _with_new_wrappers(options: dict[str, Any], patched: Patcher, before: Patcher) -> dict[str, Any]:
    """A guider's options with the wrappers a patched clone has beyond those of the patcher before.

    The host reads a patcher's wrappers when a sampling begins, and this one has begun.
    """
    options = comfy.model_patcher.create_model_options_clone(options)
    wrappers = options["transformer_options"].setdefault("wrappers", {})
    for kind, keyed in patched.wrappers.items():
        known = before.wrappers.get(kind, {})
        wrappers.setdefault(kind, {}).update({key: w for key, w in keyed.items() if key not in known})
    return options


def _latent(latent: dict[str, Any], sweep: Sweep) -> dict[str, Any]:
    """The latent once per row, with the same noise for each: the host draws it by `batch_index`."""
    samples = latent["samples"]
    count = len(sweep.rows)
    indices = list(latent.get("batch_index") or range(_count(latent)))
    repeated = {**latent, "samples": _repeated(samples, count), "batch_index": indices * count}
    mask = latent.get("noise_mask")
    if mask is not None and not samples.is_nested and samples.ndim == 4:
        # The host cuts off what is beyond the rows of a batch: here beyond those of one strength.
        rows = mask.reshape(-1, 1, *mask.shape[-2:])
        repeated["noise_mask"] = rows[: _count(latent)] if rows.shape[0] > _count(latent) else mask
    return repeated


def _count(latent: dict[str, Any]) -> int:
    samples = latent["samples"]
    return int((samples.unbind()[0] if samples.is_nested else samples).shape[0])


def _repeated(samples: Any, count: int) -> Any:
    if samples.is_nested:  # latents of several kinds in one, as of video with sound
        return NestedTensor([_repeated(tensor, count) for tensor in samples.unbind()])
    return samples.repeat(count, *[1] * (samples.ndim - 1))


def encode_sweep(clip: Clip | None, wire: LoraSweep, text: str) -> list[Any]:
    """A prompt as conditioning with a row per row of the sweep, each encoded at its strength.

    Strengths the text encoder does not know from one another are encoded once. Raises SweepMismatch without a
    text encoder, or for one whose prompts are no rows of a batch.
    """
    if clip is None:
        raise SweepMismatch(
            "the sweep has no text encoder to encode a prompt with. Connect CLIP to LoRA Strength Sweep"
        )
    groups = wire.sweep.clip_groups()
    encodings: dict[int, list[Any]] = {}
    known: dict[Any, list[Any]] = {}
    for rows in groups.values():
        patched = apply_stack(None, clip, wire.sweep.swept(rows[0]), require_effect=False).clip
        # The patcher itself comes back where nothing is patched.
        key = None if patched is clip else rows
        if key not in known:
            assert patched is not None
            known[key] = patched.encode_from_tokens_scheduled(patched.tokenize(text))
        encodings |= dict.fromkeys(rows, known[key])
    by_row = [encodings[row] for row in range(len(wire.sweep.rows))]
    axes = wire.sweep.axes
    return [_joined([encoding[place] for encoding in by_row], axes) for place in range(len(by_row[0]))]


def _joined(rows: Sequence[Any], axes: tuple[Axis, ...]) -> list[Any]:
    """One conditioning of many, a row for each."""
    tensors: dict[str, list[Tensor]] = {}
    for conditioning, options in rows:
        for name, value in (("cross_attn", conditioning), *options.items()):
            if isinstance(value, Tensor):
                tensors.setdefault(name, []).append(value)
    for name, found in tensors.items():
        if len({tuple(tensor.shape) for tensor in found}) > 1 or found[0].shape[0] != 1:
            raise SweepMismatch(
                f"this text encoder gives {name} as {tuple(found[0].shape)}, no row of a batch. "
                "Sweep a LoRA that leaves the text encoder alone, and encode the prompt once"
            )
    joined = {name: torch.cat(found) for name, found in tensors.items()}
    options = {**rows[0][1], **joined, PER_GROUP: PerGroup(frozenset(joined), axes)}
    return [options.pop("cross_attn", rows[0][0]), options]
