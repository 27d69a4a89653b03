"""One sampling for many strengths: a wrapper around the host's whole sampling of one batch.

The batch holds a group of rows per strength, one after another. It is sampled in as few parts as memory, the
sampler, the model and the conditioning allow; every group gets what it would get alone, so parts change
nothing in the pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import comfy.model_management
import comfy.sampler_helpers
import torch
from torch import Tensor

from ....lora_core.axes import Sweep
from ....lora_core.errors import NotSweepable, SweepMismatch
from . import conds as sweep_conds
from . import samplers
from .batch import Batch, Progress, RandomState
from .conds import CondPart
from .limits import groups_that_fit, is_out_of_memory, why_one_at_a_time

Strengths = Callable[[Any, CondPart], AbstractContextManager[None]]
"""Entered, with the host's guider, around the sampling of a part: gives each row its strength."""


@dataclass
class Passes:
    """How the last sampling of a sweep went: the strengths of every pass, and why there was more than one."""

    strengths: tuple[int, ...] = ()
    reason: str = ""

    def describe(self) -> str:
        """One line for the measurements; empty where nothing was sampled."""
        if not self.strengths:
            return ""
        if len(self.strengths) == 1:
            (count,) = self.strengths
            return f"all {count} strengths in one pass" if count > 1 else "1 strength in one pass"
        return f"{sum(self.strengths)} strengths in {len(self.strengths)} passes: {self.reason}"


@dataclass(frozen=True, eq=False)
class SweepSampling:
    """An OUTER_SAMPLE wrapper (comfy/patcher_extension.py) for a batch of all strengths of some axes.

    `live` gives a part its strengths in the forward pass, None where that cannot be for `reason`; `merged`
    gives one strength by writing it into the weights. `is_numbered` says that the latents of one strength had
    a `batch_index` of their own. With `columns` the preview shows all strengths, that many side by side.
    """

    sweep: Sweep
    live: Strengths | None
    merged: Strengths
    reason: str = ""
    is_numbered: bool = False
    columns: int = 0
    passes: Passes = field(default_factory=Passes)

    def __call__(
        self,
        executor: Any,
        noise: Tensor,
        latent_image: Tensor,
        sampler: Any,
        sigmas: Tensor,
        denoise_mask: Tensor | None = None,
        callback: Any = None,
        disable_pbar: bool = False,
        seed: int | None = None,
        **more: Any,
    ) -> Tensor:
        sweep_conds.check(executor.class_obj.conds, self.sweep.axes)
        size, drawn_by = self._group_size(noise), None if self.is_numbered else seed
        shapes = more.get("latent_shapes")
        batch = Batch.of(noise, latent_image, denoise_mask, size, shapes, drawn_by)
        settings = _Settings(sampler, sigmas, callback, disable_pbar, seed, more)
        run = _SamplingRun(self, executor, batch, settings, executor.class_obj.conds)
        try:
            return run.whole()
        finally:
            executor.class_obj.conds = run.conds

    @property
    def groups(self) -> int:
        """How many strengths, or pairs of them."""
        return len(self.sweep.rows)

    def _group_size(self, noise: Tensor) -> int:
        size, rest = divmod(noise.shape[0], self.groups)
        if rest:
            raise SweepMismatch(
                f"the latent has {noise.shape[0]} rows, no multiple of the sweep's {self.groups} strengths. "
                "Connect the LATENT output of the sweep to the sampler"
            )
        return size


@dataclass(frozen=True)
class _Settings:
    """What else the host samples with, and hands on unchanged."""

    sampler: Any
    sigmas: Tensor
    callback: Any
    disable_pbar: bool
    seed: int | None
    more: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class _SamplingRun:
    """One sampling of a whole batch, part by part."""

    sweep: SweepSampling
    executor: Any
    batch: Batch
    settings: _Settings
    conds: Mapping[str, Any]

    def whole(self) -> Tensor:
        """The samples of all groups, in order."""
        at_once, reason = self._plan()
        pending = _split(range(self.sweep.groups), self.batch.size, at_once)
        progress = Progress(self.settings.callback, self.batch, self.sweep.columns)
        random_state = RandomState.now(self.batch.device)
        done: list[Tensor] = []
        ran: list[int] = []
        while pending:
            part = pending.pop(0)
            random_state.restore()
            try:
                done.append(self._sample(part, progress.of(part)))
                ran.append(len(part.groups))
            except Exception as error:
                if not (isinstance(error, NotSweepable) or is_out_of_memory(error)):
                    raise
                smaller, reason = self._after(error, part)
                pending = smaller + pending
        self.sweep.passes.strengths, self.sweep.passes.reason = tuple(ran), reason
        return torch.cat(done)

    def _plan(self) -> tuple[int, str]:
        """How many groups at once, and why not all."""
        guider, size, groups = self.executor.class_obj, self.batch.size, self.sweep.groups
        reason = (
            self._why_merged()
            or samplers.why_alone(self.settings.sampler)
            or sweep_conds.why_alone(self.conds, size)
            or why_one_at_a_time(guider)
        )
        if reason:
            return 1, reason
        fitting = groups_that_fit(guider, self.batch.noise, self.conds, size, groups)
        return fitting, f"the host's memory estimate allows {fitting} at a time"

    def _why_merged(self) -> str:
        return self.sweep.reason or sweep_conds.why_merged(self.conds)

    def _sample(self, part: CondPart, callback: Any) -> Tensor:
        set_to = self.settings
        guider = self.executor.class_obj
        guider.conds = sweep_conds.of_part(self.conds, part)
        # A lone group is the host's own case, whatever the sampler does.
        is_lone = len(part.groups) == 1
        sampler = set_to.sampler if is_lone else samplers.for_groups(set_to.sampler, part.size)
        noise, latent, mask, shapes = self.batch.of_part(part)
        more = dict(set_to.more) if shapes is None else {**set_to.more, "latent_shapes": shapes}
        live = None if self._why_merged() else self.sweep.live
        with (live or self.sweep.merged)(guider, part):
            # Of copies: what one part does to them is not the next one's.
            samples: Tensor = self.executor(
                noise,
                latent,
                sampler,
                set_to.sigmas.clone(),
                mask,
                callback,
                set_to.disable_pbar,
                set_to.seed,
                **more,
            )
        return samples

    def _after(self, error: Exception, part: CondPart) -> tuple[list[CondPart], str]:
        """Smaller parts in the place of one that failed. Raises the error where there are none."""
        count = len(part.groups)
        if count == 1:
            raise error
        # What `outer_sample` of the host does where it ends well.
        comfy.sampler_helpers.cleanup_models(self.executor.class_obj.conds, [])
        comfy.model_management.soft_empty_cache()
        if isinstance(error, NotSweepable):
            return _split(part.groups, part.size, 1), str(error)
        return _split(part.groups, part.size, (count + 1) // 2), f"memory ran out for {count} at a time"


def _split(groups: range, size: int, at_once: int) -> list[CondPart]:
    """Parts of `at_once` groups or less, as equal as they come."""
    parts = -(-len(groups) // at_once)
    edges = [groups.start + len(groups) * i // parts for i in range(parts + 1)]
    return [CondPart(range(a, b), size) for a, b in pairwise(edges)]
