"""Every row of a sweep is the picture the host's own loader makes at that strength alone."""

from __future__ import annotations

from typing import Any

import comfy.sample
import comfy.samplers
import nodes
import pytest
import sweeping
import torch
from sweeping import Scene, alone, check, demo, demo_clip, largest_step, swept

SAMPLERS = list(enumerate(comfy.samplers.KSampler.SAMPLERS))
SCHEDULERS = comfy.samplers.KSampler.SCHEDULERS
STRENGTHS = (-1.5, 2.0)
AXES = "<lora:add_detail> -1.5, 2"


@pytest.fixture(autouse=True)
def _demo_loras(monkeypatch: pytest.MonkeyPatch) -> None:
    sweeping.use_loras(monkeypatch)


def compare(pack: Any, scene: Scene, record: Any) -> sweeping.Result:
    """The detail slider at two strengths, by us and by the host."""
    model, _ = demo()
    ours = swept(pack, model, AXES, scene)
    check(ours, [alone(model, [("add_detail", s, s)], scene) for s in STRENGTHS], record)
    return ours


@pytest.mark.parametrize(("number", "sampler"), SAMPLERS, ids=[name for _, name in SAMPLERS])
def test_every_sampler(pack: Any, number: int, sampler: str, record_property: Any) -> None:
    """Each with another scheduler in turn, cfg 1 and 4, one latent and two."""
    scheduler = SCHEDULERS[number % len(SCHEDULERS)]
    scene = Scene(sampler, scheduler, cfg=(1.0, 4.0)[number % 2], latents=1 + number // 2 % 2)
    ours = compare(pack, scene, record_property)
    assert len(ours.passes.strengths) == (2 if sampler == "dpm_adaptive" else 1), ours.passes.describe()


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize("sampler", ["euler", "dpmpp_2m_sde"])
def test_every_scheduler(pack: Any, sampler: str, scheduler: str, record_property: Any) -> None:
    compare(pack, Scene(sampler, scheduler), record_property)


def picture(latents: int = 1) -> dict[str, Any]:
    return {"samples": torch.randn(latents, 16, 8, 8, generator=torch.Generator().manual_seed(1))}


def mask(count: int) -> torch.Tensor:
    return (torch.rand(count, 64, 64, generator=torch.Generator().manual_seed(2)) > 0.4).float()


LATENTS = {
    "image to image": Scene(steps=4, denoise=0.6, options=picture()),
    "a mask": Scene(options={**picture(), "noise_mask": mask(1)}),
    "a mask for two": Scene(latents=2, options={**picture(2), "noise_mask": mask(1)}),
    "two masks for two": Scene(latents=2, options={**picture(2), "noise_mask": mask(2)}),
    "two masks for three": Scene(latents=3, options={**picture(3), "noise_mask": mask(2)}),
    "five masks for two": Scene(latents=2, options={**picture(2), "noise_mask": mask(5)}),
    "a mask and random noise": Scene("ddim", latents=2, options={**picture(2), "noise_mask": mask(1)}),
    "a mask and sde": Scene("dpmpp_sde", "karras", denoise=0.7, options={**picture(), "noise_mask": mask(1)}),
    "numbered noise": Scene("euler_ancestral", latents=2, options={"batch_index": [3, 1]}),
    "three latents": Scene("euler_ancestral", cfg=3.0, latents=3),
    "one step": Scene("dpmpp_3m_sde", steps=1),
}


@pytest.mark.parametrize("name", LATENTS)
def test_latents_and_masks(pack: Any, name: str, record_property: Any) -> None:
    ours = compare(pack, LATENTS[name], record_property)
    assert len(ours.passes.strengths) == 1, ours.passes.describe()


@pytest.mark.parametrize("numbers", [None, [2, 0, 1]])
def test_three_odd_latents_get_the_hosts_noise(pack: Any, numbers: list[int] | None) -> None:
    """Torch draws the last of 16 numbers in a way of its own: row by row is not as a batch."""
    latent = {"samples": torch.zeros(3, 3, 5, 5), **({"batch_index": numbers} if numbers else {})}
    prepared = pack.nodes.host.prepare_sweep(demo()[0], None, latent, two_strengths(pack))
    drawn = comfy.sample.prepare_noise(prepared.latent["samples"], 7, prepared.latent["batch_index"])
    batch_of = pack.nodes.host.sweeping.batch.Batch.of
    batch = batch_of(drawn, prepared.latent["samples"], None, 3, None, None if numbers else 7)
    alone = comfy.sample.prepare_noise(latent["samples"], 7, numbers)
    assert torch.equal(batch.noise, alone.repeat(2, 1, 1, 1))
    if numbers is None:
        assert not torch.equal(drawn[:3], alone), "there was nothing to mend"


@pytest.mark.parametrize("channels", [1, 16])
def test_a_mask_of_its_own_for_every_row_stays(pack: Any, channels: int) -> None:
    """As of a node behind the sweep; with all channels where the host has spread it already."""
    masks = mask(4).unsqueeze(1)[..., :8, :8].repeat(1, channels, 1, 1)
    noise = torch.randn(4, 16, 8, 8)
    batch = pack.nodes.host.sweeping.batch.Batch.of(noise, torch.zeros_like(noise), masks, 2, None, None)
    assert torch.equal(batch.mask, masks)


def two_strengths(pack: Any) -> Any:
    sweep = pack.lora_core.axes
    return sweep.Sweep(sweep.read_axes(AXES))


def area(conditioning: Any) -> Any:
    """Two prompts, one on the left half."""
    (left,) = nodes.ConditioningSetArea().append(sweeping.prompt("night sea"), 32, 64, 0, 0, 1.0)
    return nodes.ConditioningCombine().combine(conditioning, left)[0]


def masked(count: int) -> Any:
    def change(conditioning: Any) -> Any:
        (here,) = nodes.ConditioningSetMask().append(
            sweeping.prompt("night sea"), mask(count), "default", 1.0
        )
        return nodes.ConditioningCombine().combine(conditioning, here)[0]

    return change


def timed(conditioning: Any) -> Any:
    """Another prompt for the second half of the steps."""
    (first,) = nodes.ConditioningSetTimestepRange().set_range(conditioning, 0.0, 0.5)
    (second,) = nodes.ConditioningSetTimestepRange().set_range(sweeping.prompt("night sea"), 0.5, 1.0)
    return nodes.ConditioningCombine().combine(first, second)[0]


def rows(count: int) -> Any:
    """A prompt of `count` rows, as other packs make them for a batch."""

    def change(conditioning: Any) -> Any:
        several = [sweeping.prompt(text) for text in ("night sea", "day lake", "sunset hills")[:count]]
        tensor = torch.cat([one[0][0] for one in several])
        pooled = torch.cat([one[0][1]["pooled_output"] for one in several])
        return [[tensor, {**conditioning[0][1], "pooled_output": pooled}]]

    return change


CONDITIONINGS = {
    "an area": (Scene(cfg=4.0, change=area), 1),
    "a mask": (Scene(cfg=4.0, change=masked(1)), 1),
    "a mask per latent": (Scene(latents=2, change=masked(2)), 1),
    "a time": (Scene(cfg=4.0, change=timed), 1),
    "a prompt per latent": (Scene(cfg=4.0, latents=2, change=rows(2)), 1),
    "two prompts for three": (Scene(latents=3, change=rows(2)), 2),
    "three prompts for one": (Scene(change=rows(3)), 2),
}


@pytest.mark.parametrize("name", CONDITIONINGS)
def test_conditionings(pack: Any, name: str, record_property: Any) -> None:
    scene, passes = CONDITIONINGS[name]
    ours = compare(pack, scene, record_property)
    assert len(ours.passes.strengths) == passes, ours.passes.describe()


def test_a_grid_and_a_stack(pack: Any, record_property: Any) -> None:
    model, _ = demo()
    scene = Scene("euler_ancestral", cfg=3.0)
    axes = "<lora:add_detail> -1, 2\n<lora:add_saturation:unet=0.5:te=1> 1, 3"
    ours = swept(pack, model, axes, scene, stack=[("add_brightness.safetensors", 0.7, 0.7)])
    below = ("add_brightness", 0.7, 0.7)
    theirs = [
        alone(model, [below, ("add_detail", a, a), ("add_saturation", b / 2, b / 2)], scene)
        for b in (1, 3)
        for a in (-1, 2)
    ]
    check(ours, theirs, record_property)


def test_a_text_encoder_of_its_own_for_every_strength(pack: Any, record_property: Any) -> None:
    model, _ = demo()
    scene = Scene(cfg=3.0, text="day mountains", steps=2, latents=2)
    ours = swept(pack, model, "<lora:night_words> 0, 1", scene, demo_clip())
    check(ours, [alone(model, [("night_words", s, s)], scene, demo_clip()) for s in (0, 1)], record_property)


def test_pictures_of_the_size_people_look_at(pack: Any, record_property: Any) -> None:
    model, _ = demo()
    scene = Scene("dpmpp_2m", "karras", steps=8, cfg=3.0, size=128, text="day lake autumn boat")
    ours = swept(pack, model, AXES, scene)
    theirs = [alone(model, [("add_detail", s, s)], scene) for s in STRENGTHS]
    steps = max(largest_step(ours.row(i), row) for i, row in enumerate(theirs))
    record_property("largest_step_of_255", steps)
    assert steps <= sweeping.PICTURE_TOLERANCE
    check(ours, theirs, record_property)
