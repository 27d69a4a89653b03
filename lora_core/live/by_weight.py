"""Layers whose changes are not additive: their weights made inside the forward, one set per strength.

Rows of the batch with the same strengths share their weights. The changes meet the weight as it is now and in
the order of the stack, so the result is the merged one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from ..applying import Foreign
from .plan import LivePart
from .surroundings import Call, Surroundings

Run = Callable[[Mapping[str, Tensor | None], Call], Tensor]


def run_by_weight(
    module: nn.Module,
    parts: Sequence[LivePart],
    values: Tensor,
    surroundings: Surroundings,
    call: Call,
    run: Run,
) -> Tensor:
    """The module's output with the strengths of `values`, (parts, rows) or (parts, 1), at the parts."""
    args, kwargs = call
    x = args[0]
    # All of them, as those that do not change must come to the same device and dtype.
    names = frozenset(name for name, parameter in module.named_parameters(recurse=False))
    base = surroundings.weights(module, names, x.device)
    dtype = x.dtype if x.is_floating_point() else kwargs.get("out_dtype") or next(module.parameters()).dtype
    columns, groups = torch.unique(values, dim=1, return_inverse=True)

    def with_strengths(strengths: Sequence[float], rows: Tensor | None) -> Tensor:
        weights = changed(base, parts, strengths, surroundings)
        cast = {name: weight.to(dtype) for name, weight in weights.items()}
        return run(cast, (args if rows is None else (x[rows], *args[1:]), kwargs))

    if columns.shape[1] == 1:
        return with_strengths(columns[:, 0].tolist(), None)
    out: Tensor | None = None
    for number, strengths in enumerate(columns.T.tolist()):
        rows = (groups == number).nonzero().flatten().to(x.device)
        made = with_strengths(strengths, rows)
        if out is None:
            out = made.new_empty(x.shape[0], *made.shape[1:])
        out[rows] = made
    assert out is not None
    return out


def changed(
    base: Mapping[str, Tensor],
    parts: Sequence[LivePart],
    strengths: Sequence[float],
    surroundings: Surroundings,
) -> dict[str, Tensor]:
    """The weights with every part applied in order; a strength of 0 leaves its part out, as in merging."""
    touched = {part.parameter for part in parts}
    weights = {name: weight.clone() if name in touched else weight for name, weight in base.items()}
    for part, strength in zip(parts, strengths, strict=True):
        if strength == 0:
            continue
        weight, target = weights[part.parameter], part.target
        view = weight if target.offset is None else weight.narrow(*target.offset)
        if isinstance(part.adapter, Foreign):
            weights[part.parameter] = surroundings.apply_foreign(part.adapter, target, weight, strength)
            continue
        made = part.adapter.apply(view, strength, torch.float32, target.function)
        if target.offset is None:  # a slice is changed in place
            weights[part.parameter] = made
    return weights
