"""Sweeps that cannot have everything at once, or are stopped: nothing of it shows in a picture."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import comfy.cli_args
import comfy.model_management
import comfy.patcher_extension
import comfy.samplers
import comfy.utils
import latent_preview
import pytest
import sweeping
import torch
from comfy_extras.nodes_custom_sampler import BasicScheduler, SamplerCustom
from sweeping import Result, Scene, alone, check, demo, largest_difference, swept
from torch import Tensor

STRENGTHS = (-2.0, -1.0, 0.0, 1.0, 2.0)
AXES = "<lora:add_detail> -2:2:5"
SCENE = Scene("dpmpp_sde", cfg=3.0)


@pytest.fixture(autouse=True)
def _demo_loras(monkeypatch: pytest.MonkeyPatch) -> None:
    sweeping.use_loras(monkeypatch)


@pytest.fixture
def told() -> Iterator[list[tuple[int, int]]]:
    """What the host's progress bar was told: value and total."""
    values: list[tuple[int, int]] = []

    def hook(value: int, total: int, preview: Any, node_id: Any = None) -> None:
        values.append((value, total))

    comfy.utils.set_progress_bar_global_hook(hook)
    yield values
    comfy.utils.set_progress_bar_global_hook(None)


def rows_seen(model: Any) -> tuple[Any, list[int]]:
    """A clone that notes the rows of every call of the model."""
    seen: list[int] = []

    def note(executor: Any, x: Tensor, *args: Any, **kwargs: Any) -> Any:
        seen.append(x.shape[0])
        return executor(x, *args, **kwargs)

    clone = model.clone()
    clone.add_wrapper_with_key(comfy.patcher_extension.WrappersMP.APPLY_MODEL, "note", note)
    return clone, seen


def having(free: float) -> Any:
    """The host's `get_free_memory` on a machine with so many bytes left."""
    return lambda device=None, torch_free_too=False: (free, free) if torch_free_too else free


def theirs(scene: Scene = SCENE, strengths: Any = (-2.0, 2.0)) -> dict[float, Tensor]:
    return {s: alone(demo()[0], [("add_detail", s, s)], scene) for s in strengths}


def check_ends(ours: Result, scene: Scene, record: Any) -> None:
    """The first and the last row are the host's."""
    low, high = theirs(scene).values()
    ends = torch.cat([ours.row(0), ours.row(len(STRENGTHS) - 1)])
    check(Result(ends, ours.passes, ours.size), [low, high], record)


@pytest.mark.parametrize(("free_rows", "passes"), [(2.5, (1, 2, 2)), (1.2, (1,) * 5), (0.1, (1,) * 5)])
def test_the_batch_is_split_by_the_hosts_estimate(
    pack: Any,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Any,
    told: list[tuple[int, int]],
    free_rows: float,
    passes: tuple[int, ...],
) -> None:
    model, seen = rows_seen(demo()[0])
    of_one = model.model.memory_required([1, 16, 8, 8]) * 1.5
    with monkeypatch.context() as patch:
        patch.setattr(comfy.model_management, "get_free_memory", having(of_one * free_rows))
        ours = swept(pack, model, AXES, SCENE)
    assert ours.passes.strengths == passes
    assert "memory" in ours.passes.describe()
    assert max(seen) <= max(2, 2 * max(passes))
    check_ends(ours, SCENE, record_property)
    told_here = [value for value, total in told if total == 3 * len(STRENGTHS)]
    assert told_here == sorted(told_here)
    assert told_here[-1] == 3 * len(STRENGTHS)


def test_where_memory_runs_out_parts_get_smaller(pack: Any, record_property: Any) -> None:
    model = demo()[0].clone()

    def fail(executor: Any, x: Tensor, *args: Any, **kwargs: Any) -> Any:
        if x.shape[0] > 4:
            raise torch.cuda.OutOfMemoryError("a test's memory has run out")
        return executor(x, *args, **kwargs)

    model.add_wrapper_with_key(comfy.patcher_extension.WrappersMP.APPLY_MODEL, "fail", fail)
    ours = swept(pack, model, AXES, SCENE)
    assert sum(ours.passes.strengths) == 5
    assert max(ours.passes.strengths) == 2
    assert "memory ran out" in ours.passes.describe()
    check_ends(ours, SCENE, record_property)


def test_a_sampler_nobody_knows_runs_a_strength_at_a_time(pack: Any, record_property: Any) -> None:
    def sample_strange(model: Any, x: Tensor, sigmas: Tensor, **rest: Any) -> Tensor:
        """Couples the rows, and takes noise from torch's own generator."""
        for i in range(len(sigmas) - 1):
            denoised = model(x, sigmas[i] * x.new_ones(x.shape[0]), **rest["extra_args"])
            x = denoised + sigmas[i + 1] * (torch.randn_like(x) + 0.1 * x.std())
        return x

    sampler = comfy.samplers.KSAMPLER(sample_strange)

    def custom(model: Any, latent: Any) -> Tensor:
        sigmas = BasicScheduler.execute(model, "simple", 3, 1.0)[0]
        conds = (sweeping.prompt("day lake"), sweeping.prompt(""))
        return SamplerCustom.execute(model, True, 5, 3.0, *conds, sampler, sigmas, latent)[0]["samples"]

    with torch.inference_mode():
        model, _, latent, sweep = pack.NODE_CLASS_MAPPINGS["LoraRackSweep"]().prepare(
            demo()[0], Scene(latents=2).latent(), "<lora:add_detail> -2, 2"
        )
        ours = Result(custom(model, latent), sweep.passes, 2)
        rows = [custom(host_model(strength), Scene(latents=2).latent()) for strength in (-2.0, 2.0)]
    check(ours, rows, record_property)
    assert ours.passes.strengths == (1, 1)
    assert "sample_strange" in ours.passes.describe()


def host_model(strength: float) -> Any:
    import nodes

    (model,) = nodes.LoraLoaderModelOnly().load_lora_model_only(demo()[0], "add_detail.safetensors", strength)
    return model


def test_samplers_that_hand_out_what_they_denoised_hand_out_all_of_it(
    pack: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, _, latent, _ = pack.NODE_CLASS_MAPPINGS["LoraRackSweep"]().prepare(
        demo()[0], Scene().latent(), AXES
    )
    sampler = comfy.samplers.sampler_object("euler")
    outputs = []
    of_one = demo()[0].model.memory_required([1, 16, 8, 8]) * 1.5
    for free in (of_one * 2.5, of_one * 100):
        monkeypatch.setattr(comfy.model_management, "get_free_memory", having(free))
        with torch.inference_mode():
            sigmas = BasicScheduler.execute(model, "simple", 3, 1.0)[0]
            conds = (sweeping.prompt("day lake"), sweeping.prompt(""))
            result = SamplerCustom.execute(model, True, 5, 1.0, *conds, sampler, sigmas, latent)
        outputs.append(result[1]["samples"])
    assert largest_difference(*outputs) <= sweeping.LATENT_TOLERANCE


@pytest.mark.parametrize(
    ("count", "side", "size"), [(2, 8, (16, 8)), (40, 8, (128, 3)), (5, 160, (160, 32)), (1, 160, (160, 160))]
)
def test_the_preview_of_all_strengths_stays_a_previews_size(
    pack: Any, monkeypatch: pytest.MonkeyPatch, count: int, side: int, size: tuple[int, int]
) -> None:
    """Through the host's own previewer, a pixel a latent: one that decodes takes memory by the size."""
    monkeypatch.setattr(comfy.cli_args.args, "preview_method", comfy.cli_args.LatentPreviewMethod.Latent2RGB)
    seen: list[tuple[int, int]] = []

    def look(value: int, total: int, preview: Any, node_id: Any = None) -> None:
        seen.append(preview[1].size)

    comfy.utils.set_progress_bar_global_hook(look)
    rows = torch.randn(count, 16, side, side)
    host = pack.nodes.host
    whole, part = (
        host.sweeping.batch.Batch(rows, rows, None, 1, None),
        host.sweeping.conds.CondPart(range(count), 1),
    )
    try:
        callback = latent_preview.prepare_callback(demo()[0], 1)
        host.sweeping.batch.Progress(callback, whole, count).of(part)(0, rows, rows, 1)
    finally:
        comfy.utils.set_progress_bar_global_hook(None)
    assert seen == [size]


class Stop(Exception):
    """Stands for an error anywhere in a sampling."""


@pytest.mark.parametrize(
    "error", [comfy.model_management.InterruptProcessingException, Stop, torch.cuda.OutOfMemoryError]
)
def test_after_a_stop_the_model_is_what_it_was(pack: Any, error: type[BaseException]) -> None:
    model, _ = demo()
    before = {key: value.clone() for key, value in model.model.state_dict().items()}
    plain = alone(model, [], SCENE)
    calls = []

    def stop(value: int, total: int, preview: Any, node_id: Any = None) -> None:
        if total > 5:
            calls.append(value)
            if error is torch.cuda.OutOfMemoryError or len(calls) == 2:
                raise error("stopped by a test")

    comfy.utils.set_progress_bar_global_hook(stop)
    try:
        with pytest.raises(error):
            swept(pack, model, AXES, SCENE)
    finally:
        comfy.utils.set_progress_bar_global_hook(None)
    assert calls
    assert torch.equal(alone(model, [], SCENE), plain)
    after = model.model.state_dict()
    assert all(torch.equal(after[key], value) for key, value in before.items())
    assert not any("forward" in vars(module) for module in model.model.modules())
    assert not model.patches
    assert not model.wrappers
    again = swept(pack, model, AXES, SCENE)
    assert again.passes.strengths == (5,)


def test_a_sweep_writes_no_weight_and_loads_the_model_once(
    pack: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, _ = demo()
    alone(model, [], SCENE)
    written: list[str] = []
    original = type(model).patch_weight_to_device

    def note(self: Any, key: str, *args: Any, **kwargs: Any) -> Any:
        written.append(key)
        return original(self, key, *args, **kwargs)

    monkeypatch.setattr(type(model), "patch_weight_to_device", note)
    versions = {key: value._version for key, value in model.model.state_dict(keep_vars=True).items()}
    counted, seen = rows_seen(model)
    swept(pack, counted, AXES, Scene())
    assert seen == [5, 5, 5]
    assert written == []
    assert versions == {key: value._version for key, value in model.model.state_dict(keep_vars=True).items()}


def test_a_sweep_of_a_sweep_is_refused(pack: Any) -> None:
    node = pack.NODE_CLASS_MAPPINGS["LoraRackSweep"]()
    model, _, latent, _ = node.prepare(demo()[0], Scene().latent(), AXES)
    with pytest.raises(pack.lora_core.errors.SweepMismatch, match="two axes of one sweep"):
        node.prepare(model, latent, AXES)


def test_a_latent_that_is_not_the_sweeps_is_refused(pack: Any) -> None:
    node = pack.NODE_CLASS_MAPPINGS["LoraRackSweep"]()
    model, *_ = node.prepare(demo()[0], Scene().latent(), AXES)
    with pytest.raises(pack.lora_core.errors.SweepMismatch, match="no multiple of the sweep's 5 strengths"):
        SCENE.sample(model, sweeping.prompt(""), sweeping.prompt(""), Scene(latents=3).latent())


def test_frames_of_one_video_get_one_strength_at_a_time(pack: Any, record_property: Any) -> None:
    """AnimateDiff marks its models; its motion layers mix all rows of a batch, as this wrapper does."""
    marked = demo()[0].clone()
    marked.set_attachments("ADE_params", object())

    def mix(executor: Any, x: Tensor, *args: Any, **kwargs: Any) -> Any:
        return executor(x + 0.1 * x.mean(dim=0, keepdim=True), *args, **kwargs)

    marked.add_wrapper_with_key(comfy.patcher_extension.WrappersMP.APPLY_MODEL, "mix", mix)
    scene = Scene(latents=3)
    ours = swept(pack, marked, "<lora:add_detail> -2, 2", scene)
    assert "frames" in ours.passes.describe()
    check(ours, [alone(marked, [("add_detail", s, s)], scene) for s in (-2, 2)], record_property)
