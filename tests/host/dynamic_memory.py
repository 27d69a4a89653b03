"""The host's own dynamic patcher (weights brought over on demand, since 0.16) on a CPU.

Its memory library needs a GPU. `stand_in` takes the library's place: pages are tensors, and it counts what is
borrowed. The device is called cpu:0, which the host takes for another than the CPU its weights are on.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any
from unittest import mock

import comfy.cli_args
import comfy.model_management
import comfy.model_patcher
import comfy.ops
import torch
from in_host import PACK_NAME
from torch import Tensor

DEVICE = torch.device("cpu:0")


@dataclass
class Memory:
    """What the stand-in saw: pages now borrowed, how often one was, and whether it has any room.

    `lent` counts the weights this pack holds: the host's own layers give none back after an error.
    """

    has_room: bool = True
    lent: int = 0
    borrowed: dict[int, int] = field(default_factory=dict)
    faults: int = 0

    @property
    def still_borrowed(self) -> int:
        return sum(self.borrowed.values())


class _Pages:
    """comfy_aimdo.model_vbar.ModelVBAR: address space of a model's weights on the device."""

    memory: Memory

    def __init__(self, size: int, device: Any) -> None:
        self._held: list[Tensor] = []

    def alloc(self, size: int) -> tuple[_Pages, int, int]:
        self._held.append(torch.zeros(size, dtype=torch.uint8))
        return self, len(self._held) - 1, size

    def bytes_of(self, place: int) -> Tensor:
        return self._held[place]

    def prioritize(self) -> None:
        pass

    def loaded_size(self) -> int:
        return sum(len(held) for held in self._held)

    def free_memory(self, size: float) -> int:
        return 0


class _HostBuffer:
    """comfy_aimdo.host_buffer.HostBuffer: page-locked memory, of which there is none here."""

    size = 0

    def __init__(self, *_: Any) -> None:
        pass

    def truncate(self, *_: Any, **__: Any) -> None:
        pass


def _library(memory: Memory) -> dict[str, Any]:
    """Name in comfy_aimdo → its stand-in."""

    def fault(page: Any) -> bytes | None:
        memory.faults += 1
        if not memory.has_room:
            return None
        memory.borrowed[id(page)] = memory.borrowed.get(id(page), 0) + 1
        return b"resident"

    def unpin(page: Any) -> None:
        if page is not None and memory.borrowed.get(id(page)):
            memory.borrowed[id(page)] -= 1

    return {
        "model_vbar.ModelVBAR": _Pages,
        "model_vbar.vbar_fault": fault,
        "model_vbar.vbar_unpin": unpin,
        "model_vbar.vbar_signature_compare": lambda a, b: a is not None and a == b,
        "model_vbar.vbars_analyze": lambda device=None: 0,
        "torch.aimdo_to_tensor": lambda page, device: page[0].bytes_of(page[1]),
        "host_buffer.HostBuffer": _HostBuffer,
    }


def _is_ours(frame: FrameType) -> bool:
    return str(frame.f_globals["__name__"]).startswith(PACK_NAME)


@contextmanager
def stand_in() -> Iterator[Memory]:
    """While the host's dynamic patchers work here."""
    memory = Memory()
    cast, uncast = comfy.ops.cast_bias_weight, comfy.ops.uncast_bias_weight

    def cast_to_device(module: Any, input: Any = None, **options: Any) -> Any:
        if hasattr(module, "_v"):
            options["device"] = DEVICE
            options.setdefault("dtype", None if input is None else input.dtype)
            options["bias_dtype"] = options.get("bias_dtype") or options["dtype"]
            input = None
        found = cast(module, input, **options)
        memory.lent += _is_ours(sys._getframe(1))
        return found

    def give_back(*lent: Any) -> None:
        memory.lent -= _is_ours(sys._getframe(1))
        uncast(*lent)

    def is_cpu(device: Any) -> bool:
        return bool(device.type == "cpu" and device.index is None)

    patches = [mock.patch(f"comfy_aimdo.{name}", value) for name, value in _library(memory).items()]
    patches += [
        mock.patch.object(comfy.ops, "cast_bias_weight", cast_to_device),
        mock.patch.object(comfy.ops, "uncast_bias_weight", give_back),
        mock.patch.object(comfy.model_management, "is_device_cpu", is_cpu),
        mock.patch.object(comfy.cli_args.args, "disable_pinned_memory", True),
    ]
    comfy.model_management.unload_all_models()
    for patch in patches:
        patch.start()
    try:
        yield memory
    finally:
        comfy.model_management.unload_all_models()
        for patch in reversed(patches):
            patch.stop()


@contextmanager
def dynamic(model: Any) -> Iterator[Any]:
    """A dynamic patcher of a static one's model, which is as before afterwards."""
    patcher = comfy.model_patcher.ModelPatcherDynamic(model.model, DEVICE, torch.device("cpu"))
    assert patcher.is_dynamic()
    try:
        yield patcher
    finally:
        comfy.model_management.unload_all_models()
        # The host unloads by device, and does not know the one that stands in.
        loaded = comfy.model_management.current_loaded_models
        loaded[:] = [held for held in loaded if held.device != DEVICE]
        patcher.restore_loaded_backups()
        _forget(model.model)


def _forget(model: Any) -> None:
    """What a dynamic patcher leaves on a model, which static ones do not expect."""
    model.__dict__.pop("dynamic_vbars", None)
    for module in model.modules():
        for name in ("_v", "_v_signature", "_v_weight", "_v_bias", "_pin_state", "_prefetch"):
            module.__dict__.pop(name, None)
        for name in ("weight", "bias"):
            module.__dict__.pop(f"{name}_lowvram_function", None)
            module.__dict__.pop(f"{name}_function", None)
