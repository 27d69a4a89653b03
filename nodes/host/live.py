"""Stacks in the forward pass of the host's models: no weight is written, strengths per step and per picture.

live_model(model, plan, strengths_at) -> clone     not_live(model, plan) -> keys that cannot be
with_rows(model_options, indices) -> options       of a batch sampled in parts: this one's rows, () for merged
"""

from __future__ import annotations

import logging
import uuid
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import comfy.model_patcher
import comfy.patcher_extension
import torch
from torch import Tensor, nn

from ...lora_core.errors import NotLive, NotSweepable
from ...lora_core.live import Dispatcher, LiveLayer, Plan, Strengths, StrengthsAt, publish
from ...lora_core.schedule import Moment
from .live_modules import HostModules, can_be_live, rows_of
from .protocols import Patcher

_log = logging.getLogger(__name__)

# In `transformer_options`: which rows of the whole batch are being sampled. All of them where it is missing.
# Not a context variable: with several devices the host samples in threads of its own.
_ROWS = "lora_rack_rows"

_NEAR = 1e-5  # noise levels that single precision may tell apart, relative


def with_rows(model_options: dict[str, Any], indices: Sequence[int]) -> dict[str, Any]:
    """A guider's or a patcher's options for a part of a batch: the rows of the batch it consists of.

    With none of them, strengths that are given per row do nothing: they have been merged for once.
    """
    options: dict[str, Any] = comfy.model_patcher.create_model_options_clone(model_options)
    options.setdefault("transformer_options", {})[_ROWS] = tuple(indices)
    return options


def not_live(model: Patcher, plan: Plan) -> tuple[str, ...]:
    """The keys of a plan that are no weights of a module that applies them, so that no forward term can."""
    return tuple(sorted(key for key in plan.keys if not can_be_live(model.model, key)))


def live_model(model: Patcher, plan: Plan, strengths_at: Tensor | StrengthsAt) -> Patcher:
    """A clone of the patcher `model` that adds the plan's changes while it samples.

    `strengths_at` is a tensor (entries,) or (entries, rows), or a function that gives one for a moment of the
    sampling, whose fraction is 0 to 1 as the host's timestep ranges count it. Entries are numbered as in
    `Plan.of`'s matches; block weights are the plan's. With rows, the latent batch must have as many pictures,
    or as many as `with_rows` names.

    Raises NotLive, naming the keys, where `not_live` is not empty: merge those, or leave them out of the plan
    (`Plan.of(…, without=keys)`). While sampling, raises NotSweepable when a batch has another number of rows,
    or a layer cannot tell pictures with different strengths apart.
    """
    keys = not_live(model, plan)
    if keys:
        raise NotLive(
            keys, f"cannot be changed in the forward pass: {', '.join(keys[:5])}. Apply them merged"
        )
    clone = model.clone()
    stack = _LiveStack(plan, strengths_at)
    wrapper = comfy.patcher_extension.WrappersMP.APPLY_MODEL
    clone.add_wrapper_with_key(wrapper, stack.name, stack.apply_model)
    # Last: on a clone of an injected model the host ejects and injects while patches are added.
    injection = comfy.patcher_extension.PatcherInjection(stack.inject, stack.eject)
    clone.set_injections(stack.name, [injection])
    clone.add_callback_with_key(comfy.patcher_extension.CallbacksMP.ON_LOAD, stack.name, _warn_of_saving)
    return clone


def _warn_of_saving(
    patcher: Patcher, device: Any, memory: Any, force_patch_weights: bool = False, *_: Any, **__: Any
) -> None:
    """The host writes all patches into the weights only where they are about to be saved."""
    if force_patch_weights:
        _log.warning(
            "LoRA Rack: this model has LoRAs in mode live, which are in no weight. What is saved now is "
            "without them. Apply them in mode merged, or save them with Save LoRA Stack"
        )


@dataclass(frozen=True, eq=False)
class _Placed:
    """The layers a patcher has put onto a model, which is held, so that they can be taken off again."""

    model: nn.Module
    layers: tuple[LiveLayer, ...]
    owner: weakref.ref[Any]


@dataclass(eq=False)
class _LiveStack:
    """One stack, shared by every clone of its patcher.

    Clones are of one model, or, where the host samples on several devices, of a copy of it on each.
    """

    plan: Plan
    strengths_at: Tensor | StrengthsAt
    name: str = field(default_factory=lambda: f"lora_rack_live_{uuid.uuid4()}", init=False)
    # By the id of the model. No weak reference to it: the collector ends those of what it throws away, as
    # a stack held by an exception's traceback, before its patcher can eject.
    _placed: dict[int, _Placed] = field(default_factory=dict, init=False)
    _last: Strengths | None = field(default=None, init=False)

    def inject(self, patcher: Patcher) -> None:
        """Put the layers onto the model's modules, and what they need onto its device."""
        model: Any = patcher.model  # comfy.model_base.BaseModel
        self._take_off(model)
        # All of them are ready before the first is put on: the host does not eject what failed half way.
        layers = tuple(self._ready(patcher))
        self._placed[id(model)] = _Placed(model, layers, weakref.ref(patcher))
        for layer in layers:
            Dispatcher.install(self.name, layer)

    def eject(self, patcher: Patcher) -> None:
        """Take them off again, where this patcher put them on.

        A clone of an injected patcher believes it is injected too, and ejects when it is thrown away, whoever
        is sampling then.
        """
        placed = self._placed.get(id(patcher.model))
        owner = None if placed is None else placed.owner()
        if owner is None or owner is patcher:
            self._take_off(patcher.model)

    def _ready(self, patcher: Any) -> Iterator[LiveLayer]:
        model = patcher.model
        dtype = model.manual_cast_dtype or model.get_dtype()
        for path, parts in self.plan.modules.items():
            layer = LiveLayer(model.get_submodule(path), path, parts, HostModules(), rows_of(path))
            layer.prepare(patcher.load_device, dtype)
            yield layer

    def _take_off(self, model: nn.Module) -> None:
        placed = self._placed.pop(id(model), None)
        for layer in reversed(placed.layers if placed is not None else ()):
            Dispatcher.remove(self.name, layer)

    def apply_model(
        self,
        executor: Any,
        x: Tensor,
        t: Tensor,
        concat: Any,
        context: Any,
        control: Any,
        options: Mapping[str, Any],
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        """Publish the strengths for one call of the model."""
        model = executor.class_obj
        if self.plan.modules and id(model) not in self._placed:
            raise NotLive(sorted(self.plan.keys), "live LoRAs are not on the model that is sampled")
        with publish(self.name, self._strengths(model, x, t, options)):
            return executor(x, t, concat, context, control, options, *args, **kwargs)

    def _strengths(self, model: nn.Module, x: Tensor, t: Tensor, options: Mapping[str, Any]) -> Strengths:
        values, rows, sigmas = self.strengths_at, options.get(_ROWS), options.get("sample_sigmas")
        if not isinstance(values, Tensor):
            values = values(moment_of(model.model_sampling, float(t[0]), sigmas))
        if values.ndim == 2 and rows == ():
            values = torch.zeros_like(values[:, :1])
        if values.ndim == 2 and values.shape[1] > 1:
            values = values if rows is None else values[:, list(rows)]
            # The host stacks whole copies of the batch, one per conditioning: the strengths repeat in order.
            chunks, rest = divmod(x.shape[0], values.shape[1])
            if rest:
                problem = (
                    f"is sampled in batches of {x.shape[0]} where strengths are given for {values.shape[1]}"
                )
                raise NotSweepable("the model", problem)
            values = values.repeat(1, chunks)
        made = Strengths.of(values)
        # The same object as long as nothing changes: layers keep what they have made of it.
        if self._last is None or not torch.equal(self._last.values, made.values):
            self._last = made
        return self._last


def moment_of(model_sampling: Any, sigma: float, sigmas: Tensor | None) -> Moment:
    """The moment of a noise level, with `sigmas` the levels a sampler goes through, (steps + 1,)."""
    step = None if sigmas is None else step_of(sigma, sigmas.tolist())
    return Moment(fraction_of(model_sampling, sigma), step)


def step_of(sigma: float, sigmas: Sequence[float]) -> int:
    """In which step a noise level is, counted from 1, whatever the sampler asks between its own levels.

    A step begins at its own level and ends before the next one. A sampling that runs backwards, from little
    noise to much, counts likewise.
    """
    begins = sigmas[:-1] or sigmas
    if begins[0] < sigmas[-1]:
        return max(1, sum(level <= sigma * (1 + _NEAR) for level in begins))
    return max(1, sum(level >= sigma * (1 - _NEAR) for level in begins))


def fraction_of(model_sampling: Any, sigma: float) -> float:
    """How far the sampling has come at a noise level, as `percent_to_sigma` counts: 0 at the start, 1 at 0.

    To a millionth, so that a step on the edge of a window lies on it in spite of single precision.
    """
    low, high = 0.0, 1.0
    for _ in range(24):
        middle = (low + high) / 2
        if model_sampling.percent_to_sigma(middle) > sigma:
            low = middle
        else:
            high = middle
    return round(high, 6)
