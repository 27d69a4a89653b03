"""What a live layer must ask of whoever runs the modules: their weights as used, and their own forward."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ..applying import Foreign
from ..key_maps import Target

Call = tuple[tuple[Any, ...], dict[str, Any]]
Parameters = Mapping[str, Tensor | None]


class Surroundings(Protocol):
    """How modules are run. PlainTorch is torch's own way."""

    def linear_shape(self, module: nn.Module) -> tuple[int, int] | None:
        """(out, in) of a module whose output is x · Wᵀ + b, in whatever form it stores W; else None."""
        ...

    def weights(self, module: nn.Module, names: frozenset[str], device: torch.device) -> dict[str, Tensor]:
        """Parameters in float32 on `device`, as the module's forward would use them now; to be read only."""
        ...

    def run(self, module: nn.Module, parameters: Parameters, call: Call) -> Tensor:
        """The forward of the module's class with other parameters in the place of its own."""
        ...

    def swapped(self, module: nn.Module, parameters: Parameters) -> AbstractContextManager[None]:
        """The module itself with other parameters, for a forward that another pack has put on it."""
        ...

    def apply_foreign(self, foreign: Foreign, target: Target, weight: Tensor, strength: float) -> Tensor:
        """The weight after a patch this package has no formula for."""
        ...


class PlainTorch:
    """Modules as torch runs them."""

    def linear_shape(self, module: nn.Module) -> tuple[int, int] | None:
        return (module.out_features, module.in_features) if isinstance(module, nn.Linear) else None

    def weights(self, module: nn.Module, names: frozenset[str], device: torch.device) -> dict[str, Tensor]:
        found = {name: module.get_parameter(name) for name in names}
        return {name: parameter.detach().to(device, torch.float32) for name, parameter in found.items()}

    def run(self, module: nn.Module, parameters: Parameters, call: Call) -> Tensor:
        # A shallow twin, so that the module itself is never without its own weights, whatever happens.
        twin = object.__new__(type(module))
        twin.__dict__.update({**module.__dict__, **self.replacements(module, parameters)})
        twin.__dict__.pop("forward", None)
        args, kwargs = call
        result: Tensor = type(module).forward(twin, *args, **kwargs)
        return result

    @contextmanager
    def swapped(self, module: nn.Module, parameters: Parameters) -> Iterator[None]:
        new = self.replacements(module, parameters)
        old = {name: module.__dict__[name] for name in new if name in module.__dict__}
        module.__dict__.update(new)
        try:
            yield
        finally:
            for name in new:
                del module.__dict__[name]
            module.__dict__.update(old)

    def apply_foreign(self, foreign: Foreign, target: Target, weight: Tensor, strength: float) -> Tensor:
        raise TypeError(f"torch alone has no formula for {foreign.patch!r}")

    def replacements(self, module: nn.Module, parameters: Parameters) -> dict[str, Any]:
        """The attributes of a module that make it use other parameters."""
        return {"_parameters": {**module.__dict__["_parameters"], **parameters}}
