"""`saving`: the workbench: a lossless save, a resize, an overlap and an extraction, at true layer sizes.

Seconds are processor time, but for saving, which waits for the disk as the plain write beside it does. Where
the other way takes minutes, each shape of layer is measured once and counted as often as the model has it.
`ratio` is the other way's time over ours, `over_write` ours over writing the same bytes, and `error_ratio`
our error over the least there is.
"""

from __future__ import annotations

import ctypes
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import in_host
import torch
from safetensors.torch import save_file
from timing import alternate, seconds
from torch import Tensor

LORAS, RANK = 8, 32
# Blocks with attention: name, transformers inside, channels. The width of the prompt beside each model.
_SD15 = [
    *(
        (f"input_blocks_{n}_1", 1, c)
        for n, c in ((1, 320), (2, 320), (4, 640), (5, 640), (7, 1280), (8, 1280))
    ),
    ("middle_block_1", 1, 1280),
    *((f"output_blocks_{n}_1", 1, 1280 >> (n // 3 - 1)) for n in range(3, 12)),
]
_SDXL = [
    *((f"input_blocks_{n}_1", d, c) for n, d, c in ((4, 2, 640), (5, 2, 640), (7, 10, 1280), (8, 10, 1280))),
    ("middle_block_1", 10, 1280),
    *((f"output_blocks_{n}_1", *((10, 1280) if n < 3 else (2, 640))) for n in range(6)),
]
_PROMPT = {"sd15": 768, "sdxl": 2048}
_BLOCKS = {"sd15": _SD15, "sdxl": _SDXL}

Case = tuple[str, dict[str, float]]


def run() -> Iterator[Case]:
    """All four."""
    with tempfile.TemporaryDirectory() as folder:
        yield f"save/sd15/{LORAS}", _save(Path(folder))
        yield f"overlap/sdxl/{LORAS}", _overlap(Path(folder))
    yield "resize/sdxl/128-32", _resize()
    yield "extract/sd15/32", _extract()


def _layers(model: str) -> Iterator[tuple[str, int, int]]:
    """Name, out and in of every linear layer with attention."""
    for block, depth, width in _BLOCKS[model]:
        yield from ((f"lora_unet_{block}_{part}", width, width) for part in ("proj_in", "proj_out"))
        for number in range(depth):
            stem = f"lora_unet_{block}_transformer_blocks_{number}_"
            for attention, inner in (("attn1", width), ("attn2", _PROMPT[model])):
                yield f"{stem}{attention}_to_q", width, width
                yield from ((f"{stem}{attention}_to_{part}", width, inner) for part in "kv")
                yield f"{stem}{attention}_to_out_0", width, width
            yield f"{stem}ff_net_0_proj", 8 * width, width
            yield f"{stem}ff_net_2", width, 4 * width


def _rows(folder: Path, model: str) -> list[Any]:
    core = in_host.load_pack().lora_core
    rows = []
    for seed in range(LORAS):
        generator = torch.Generator().manual_seed(seed)
        tensors: dict[str, Tensor] = {}
        for name, out, inner in _layers(model):
            tensors[f"{name}.lora_up.weight"] = torch.randn(out, RANK, generator=generator).half()
            tensors[f"{name}.lora_down.weight"] = torch.randn(RANK, inner, generator=generator).half()
        path = folder / f"{model}-{seed}.safetensors"
        save_file(tensors, path)
        rows.append(
            core.changes.StackRow(core.stack.Entry(path.stem, 0.5, 0.5), core.reading.PartialLora(path))
        )
    return rows


def _save(folder: Path) -> dict[str, float]:
    saving = in_host.load_pack().lora_core.saving
    rows = _rows(folder, "sd15")
    out, copy = folder / "saved.safetensors", folder / "copy.safetensors"
    saving.write_save(saving.plan_save(rows), out)
    data = out.read_bytes()
    pair = alternate(
        lambda: seconds(lambda: _write(copy, data)),
        lambda: seconds(lambda: saving.write_save(saving.plan_save(rows), out, force=True)),
        "save",
        pairs=3,
    )
    size_mib = len(data) / 2**20
    return {
        "ours_s": pair.ours_s,
        "write_s": pair.host_s,
        "over_write": pair.ours_s / pair.host_s,
        "mib": size_mib,
    }


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _overlap(folder: Path) -> dict[str, float]:
    core = in_host.load_pack().lora_core
    rows = _rows(folder, "sdxl")
    before = _peak_mib(reset=True)
    start = time.perf_counter()
    cpu_s = _processor_s(lambda: core.overlap.measure_overlap(rows))
    files = [row.lora.stamp.size for row in rows]
    return {
        "ours_s": cpu_s,
        "wall_s": time.perf_counter() - start,
        "peak_mib": _peak_mib() - before,
        "two_files_mib": sum(sorted(files)[-2:]) / 2**20,
    }


def _peak_mib(reset: bool = False) -> float:
    """The most memory this process has had; 0 where the system does not tell."""
    status = Path("/proc/self/status")
    if not status.is_file():
        return 0.0
    if reset:
        ctypes.CDLL(None).malloc_trim(0)  # what making the files has used is not ours
        Path("/proc/self/clear_refs").write_text("5")
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def _resize() -> dict[str, float]:
    """The reference is the way of sd-scripts' resize_lora.py: the product, and all its singular values."""
    core = in_host.load_pack().lora_core
    generator = torch.Generator().manual_seed(1)

    def ours(up: Tensor, down: Tensor) -> Tensor:
        change = core.changes.WeightChange((up.shape[0], down.shape[1]), up, down)
        found: Tensor = core.saving.spectral(change).cut(RANK).full()
        return found

    fall = 0.97 ** torch.arange(128.0)  # singular values of a trained LoRA fall

    def layer(out: int, inner: int) -> tuple[Tensor, Tensor]:
        return torch.randn(out, 128, generator=generator) * fall, torch.randn(128, inner, generator=generator)

    return _by_shape("sdxl", layer, lambda up, down: up @ down, ours)


def _extract() -> dict[str, float]:
    saving = in_host.load_pack().lora_core.saving
    generator = torch.Generator().manual_seed(2)

    def layer(out: int, inner: int) -> tuple[Tensor]:
        fall = 0.98 ** torch.arange(float(min(out, inner)))  # of the differences of a tuned model
        left = torch.randn(out, len(fall), generator=generator) * fall
        return (left @ torch.randn(len(fall), inner, generator=generator),)

    def ours(change: Tensor) -> Tensor:
        found: Tensor = saving.leading(change, RANK).cut(RANK).full()
        return found

    return _by_shape("sd15", layer, lambda change: change, ours)


def _by_shape(
    model: str,
    layer: Callable[[int, int], tuple[Tensor, ...]],
    product: Callable[..., Tensor],
    ours: Callable[..., Tensor],
) -> dict[str, float]:
    """Ours against all singular values of the product: a layer of each shape, as often as it is there."""
    theirs_s = ours_s = ours_error = least_error = 0.0
    for (out, inner), count in Counter((out, inner) for _, out, inner in _layers(model)).items():
        tensors = layer(out, inner)
        values, taken_s = _timed(lambda tensors=tensors: _reference(product(*tensors)))
        theirs_s += count * taken_s
        found, taken_s = _timed(lambda tensors=tensors: ours(*tensors))
        ours_s += count * taken_s
        ours_error += count * float((product(*tensors) - found).double().square().sum())
        least_error += count * float(values[RANK:].double().square().sum())
    return {
        "theirs_s": theirs_s,
        "ours_s": ours_s,
        "ratio": theirs_s / ours_s,
        "error_ratio": (ours_error / least_error) ** 0.5,
    }


def _reference(change: Tensor) -> Tensor:
    u, s, v = torch.linalg.svd(change, full_matrices=False)
    assert (u[:, :RANK] * s[:RANK] @ v[:RANK]).shape == change.shape
    return s


def _processor_s(work: Callable[[], Any]) -> float:
    return _timed(work)[1]


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    start = time.process_time()
    result = work()
    return result, time.process_time() - start
