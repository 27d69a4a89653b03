"""What the pack touches of the host's objects, which come without types: no more than these may be used."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import nn

PatchKey = str | tuple[Any, ...]
"""A weight's key; or the key, a slice (dimension, start, length) and perhaps a function that reorders."""


class Patcher(Protocol):
    """comfy.model_patcher.ModelPatcher: a model, and what is patched on it."""

    model: nn.Module
    patches: dict[str, list[Any]]
    wrappers: dict[str, dict[str, list[Any]]]

    @property
    def backup(self) -> dict[str, Any]:
        """Key → what a weight was before it was patched, while the model is loaded."""
        ...

    @property
    def load_device(self) -> torch.device: ...

    def clone(self) -> Patcher: ...

    def add_patches(self, patches: Mapping[PatchKey, Any], strength_patch: float) -> object: ...

    def patch_weight_to_device(self, key: str, *, inplace_update: bool = False) -> object: ...

    def model_size(self) -> int: ...

    def get_free_memory(self, device: torch.device) -> int:
        """Of hosts that load on demand alone."""
        ...

    def get_wrappers(self, wrapper_type: str, key: str) -> list[Any]: ...

    def add_wrapper_with_key(self, wrapper_type: str, key: str, wrapper: Callable[..., Any]) -> None: ...

    def get_callbacks(self, call_type: str, key: str) -> Sequence[Any]: ...

    def add_callback_with_key(self, call_type: str, key: str, callback: Callable[..., Any]) -> None: ...

    def remove_callbacks_with_key(self, call_type: str, key: str) -> None: ...

    def set_injections(self, key: str, injections: list[Any]) -> None: ...

    def set_attachments(self, key: str, attachment: object) -> None: ...


class Clip(Protocol):
    """comfy.sd.CLIP: text encoders behind one tokenizer. Its `clone` has a patcher of its own."""

    patcher: Patcher
    cond_stage_model: nn.Module

    def clone(self) -> Clip: ...

    def add_patches(self, patches: Mapping[PatchKey, Any], strength_patch: float) -> object: ...

    def tokenize(self, text: str) -> Any: ...

    def encode_from_tokens_scheduled(self, tokens: Any) -> list[Any]: ...


class Guider(Protocol):
    """comfy.samplers.CFGGuider while it samples."""

    model_patcher: Patcher
    model_options: dict[str, Any]
    conds: Mapping[str, Any]
