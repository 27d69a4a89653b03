"""How a module comes to add live changes: one dispatcher in place of its forward, for any number of stacks.

A stack acts in a module only while its strengths are published, which the caller of the model does for one
call. So a layer left behind on a model that several patchers share does nothing to the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from .by_weight import run_by_weight
from .layer import LiveLayer
from .strengths import Strengths
from .surroundings import Call

# Stack → its strengths, in the order the stacks are applied; set for the time of one call of a model.
_PUBLISHED: ContextVar[Mapping[str, Strengths]] = ContextVar("published", default=MappingProxyType({}))


@contextmanager
def publish(stack: str, strengths: Strengths) -> Iterator[None]:
    """Let a stack act, at these strengths, in every model called inside, and no longer however it ends."""
    token = _PUBLISHED.set({**_PUBLISHED.get(), stack: strengths})
    try:
        yield
    finally:
        _PUBLISHED.reset(token)


class Dispatcher:
    """Stands in a module's forward while any stack has a layer there."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._layers: dict[str, LiveLayer] = {}
        # Another pack's forward stays beneath; the class's own needs no keeping.
        before = module.__dict__.get("forward")
        is_own = getattr(before, "__func__", None) is type(module).forward
        self._before = None if is_own else before

    @classmethod
    def install(cls, stack: str, layer: LiveLayer) -> None:
        """Give a module a stack's layer; a second time changes nothing."""
        dispatcher = layer.module.__dict__.get("forward")
        if not isinstance(dispatcher, cls):
            dispatcher = cls(layer.module)
            layer.module.__dict__["forward"] = dispatcher
        dispatcher._layers[stack] = layer

    @classmethod
    def remove(cls, stack: str, layer: LiveLayer) -> None:
        """Take a stack's layer out; nothing happens where it is not in."""
        place = layer.module.__dict__
        dispatcher = place.get("forward")
        if not isinstance(dispatcher, cls):
            return
        dispatcher._layers.pop(stack, None)
        if dispatcher._layers:
            return
        if dispatcher._before is None:
            del place["forward"]
        else:
            place["forward"] = dispatcher._before

    def __call__(self, *args: Any, **kwargs: Any) -> Tensor:
        published = _PUBLISHED.get()
        active = [(self._layers[stack], s) for stack, s in published.items() if stack in self._layers]
        if not args:  # the input by its name, whatever that is
            (_, x), *others = kwargs.items()
            args, kwargs = (x,), dict(others)
        if not active:
            return self._inner((args, kwargs))
        # What another pack's forward does to the output is not known, only that it uses the weights.
        if self._before is not None or not all(layer.is_additive for layer, _ in active):
            return self._by_weight(active, (args, kwargs))
        out = self._inner((args, kwargs))
        for layer, strengths in active:
            out = layer.add(out, args[0], strengths)
        return out

    def _inner(self, call: Call) -> Tensor:
        args, kwargs = call
        if self._before is not None:
            result: Tensor = self._before(*args, **kwargs)
        else:
            result = type(self._module).forward(self._module, *args, **kwargs)
        return result

    def _by_weight(self, active: Sequence[tuple[LiveLayer, Strengths]], call: Call) -> Tensor:
        """All active layers in their order, where one of them depends on what those before it did."""
        count = call[0][0].shape[0]
        values = [layer.values(strengths, count) for layer, strengths in active]
        columns = max(table.shape[1] for table in values)
        table = torch.cat([value.expand(-1, columns) for value in values])
        if not table.any():
            return self._inner(call)
        parts = [part for layer, _ in active for part in layer.parts]
        surroundings = active[0][0].surroundings

        def run(parameters: Mapping[str, Tensor | None], call: Call) -> Tensor:
            if self._before is None:
                return surroundings.run(self._module, parameters, call)
            with surroundings.swapped(self._module, parameters):
                return self._inner(call)

        return run_by_weight(self._module, parts, table, surroundings, call, run)
