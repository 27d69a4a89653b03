"""Any sequence of what happens to a model and its LoRAs, as a hypothesis state machine.

One model is shared by many patchers, as in a workflow. Every picture drawn is bit-equal to that of a model
loaded for it alone, which only ever saw this one recipe. At the end the shared model has its own weights and
nothing else on it.
"""

from __future__ import annotations

import gc
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import comfy.model_management
import folder_paths
import hypothesis.strategies as st
import layouts
import lora_files
import pytest
import torch
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, rule
from sampling import sample
from test_equality import kohya_tensors
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

LAYOUT, STEPS, DEEPEST = "sd3", 2, 3
NAMES = ("a", "b")
CONTENTS = range(4)  # seeds of the files' numbers
TURNS = 3  # the last content: an OFT, which live can only apply by the weight
LAYERS = ("x_embedder", "joint_blocks.0.x_block.attn.qkv", "joint_blocks.3.x_block.mlp.fc2", "final_layer")
ERRORS = (comfy.model_management.InterruptProcessingException, torch.OutOfMemoryError, ValueError)
CUT, GONE = "cut", "gone"


@dataclass(frozen=True)
class Apply:
    """One Apply node: the content of its only file, and how that is applied."""

    content: int
    strength: float
    mode: str
    window: tuple[float, float]

    def text(self, name: str) -> str:
        """As the rack's text."""
        start, stop = self.window
        return f"<lora:{name}:unet={self.strength}:te=0:start={start}:stop={stop}>"


Recipe = tuple[Apply, ...]  # what was applied, in order


@dataclass(frozen=True)
class Made:
    """A patcher, and all that was applied to it."""

    patcher: Any
    recipe: Recipe


@dataclass
class Room:
    """Where the machine works: the pack, the LoRA folder, and whose patchers it tries.

    `handled` lends the patcher of a loaded model, for as long as a `with` block.
    """

    pack: Any
    folder: Path
    handled: Callable[[Any], Any] = nullcontext
    pictures: dict[Any, Tensor] = field(default_factory=dict)
    refused: int = 0  # files that were refused as they should be
    failed: int = 0  # errors thrown into the midst of something

    def prepare(self) -> None:
        """Write every content once, under names that never change."""
        model, _ = layouts.load(LAYOUT, torch.float32)
        for content in CONTENTS:
            tensors = _turn() if content == TURNS else kohya_tensors(LAYOUT, model, None, content)
            lora_files.save(self.folder / f"content-{content}.safetensors", tensors)

    def node(self, name: str) -> Any:
        return self.pack.NODE_CLASS_MAPPINGS[name]()

    def apply(self, patcher: Any, step: Apply, name: str) -> Any:
        """A rack and an Apply, as the host runs them."""
        stack, _ = self.node("LoraRackStack").build(step.text(name))
        return self.node("LoraRackApply").apply(patcher, stack, "error", None, step.mode)["result"][0]

    def picture(self, recipe: Recipe) -> Tensor:
        """What a model loaded for it alone draws."""
        return self._known(recipe, lambda patcher: draw(self._apart(patcher, recipe)))

    def sweep(self, recipe: Recipe, content: int, values: tuple[float, ...]) -> Tensor:
        """What a model loaded for it alone draws in a sweep: a row for each strength."""

        def rows(patcher: Any) -> Tensor:
            return self.swept(self._apart(patcher, recipe), f"content-{content}", values)

        return self._known((recipe, content, values), rows)

    def swept(self, patcher: Any, name: str, values: tuple[float, ...]) -> Tensor:
        latent = {"samples": torch.zeros(1, 16, 8, 8)}
        axes = f"<lora:{name}> {', '.join(map(str, values))}"
        model, *_ = self.node("LoraRackSweep").prepare(patcher, latent, axes)
        return draw(model, rows=len(values))

    def _apart(self, patcher: Any, recipe: Recipe) -> Any:
        for step in recipe:
            patcher = self.apply(patcher, step, f"content-{step.content}")
        return patcher

    def _known(self, key: Any, made: Callable[[Any], Tensor]) -> Tensor:
        if key not in self.pictures:
            comfy.model_management.unload_all_models()
            model, _ = layouts.load.__wrapped__(LAYOUT, torch.float32)
            with self.handled(model) as patcher:
                self.pictures[key] = made(patcher)
            comfy.model_management.unload_all_models()
        return self.pictures[key]


class RackMachine(RuleBasedStateMachine):
    """Rules are what users, the host and the system do. A subclass sets `room`."""

    room: Room
    made = Bundle("made")

    def __init__(self) -> None:
        super().__init__()
        comfy.model_management.unload_all_models()
        self.model, _ = layouts.load.__wrapped__(LAYOUT, torch.float32)
        self.before = {key: value.clone() for key, value in self.model.model.state_dict().items()}
        self.lent = self.room.handled(self.model)
        self.patcher = self.lent.__enter__()
        self.content: dict[str, int | str] = {}
        for place, name in enumerate(NAMES):
            self._put(name, place)

    @initialize(target=made)
    def load(self) -> Made:
        return Made(self.patcher, ())

    @rule(
        target=made,
        base=made,
        name=st.sampled_from(NAMES),
        strength=st.sampled_from((1.0, -0.5, 0.3)),
        mode=st.sampled_from(("auto", "merged", "live")),
        window=st.sampled_from(((0.0, 1.0), (0.0, 0.5), (0.6, 1.0))),
        meanwhile=st.sampled_from((None, None, None, *CONTENTS, CUT, GONE)),
    )
    def apply(
        self,
        base: Made,
        name: str,
        strength: float,
        mode: str,
        window: tuple[float, float],
        meanwhile: int | str | None,
    ) -> Made:
        """A prompt is queued; its file may change before it runs."""
        if len(base.recipe) == DEEPEST:
            base = Made(self.patcher, ())
        mode = "live" if mode == "merged" and window != (0.0, 1.0) else mode
        self._put(name, self.content[name] if isinstance(self.content[name], int) else 0)
        queued = Apply(0, strength, mode, window).text(name)
        rack = self.room.node("LoraRackStack")
        assert rack.VALIDATE_INPUTS(queued) is True
        rack.IS_CHANGED(queued)
        if meanwhile is not None:
            self._put(name, meanwhile)
        content = self.content[name]
        if isinstance(content, int):
            step = Apply(content, strength, mode, window)
            return Made(self.room.apply(base.patcher, step, name), (*base.recipe, step))
        self._is_refused(base.patcher, Apply(0, strength, mode, window), name, content)
        return base

    @rule(made=made)
    def draw(self, made: Made) -> None:
        assert torch.equal(draw(made.patcher), self._wanted(made))

    @rule(made=made)
    def draw_twice(self, made: Made) -> None:
        """Two prompts one after another."""
        wanted = self._wanted(made)
        assert torch.equal(draw(made.patcher), wanted)
        assert torch.equal(draw(made.patcher), wanted)

    @rule(made=made, name=st.sampled_from(NAMES), values=st.sampled_from(((-1.0, 0.5), (0.0, 1.0, 2.0))))
    def sweep(self, made: Made, name: str, values: tuple[float, ...]) -> None:
        content = self.content[name]
        if not isinstance(content, int):
            self._put(name, content := 1)
        wanted = self.room.sweep(made.recipe, content, values)
        assert torch.equal(self.room.swept(made.patcher, name, values), wanted)

    @rule(target=made, made=made)
    def clone(self, made: Made) -> Made:
        return Made(made.patcher.clone(), made.recipe)

    @rule(made=made, step=st.integers(0, STEPS - 1), error=st.sampled_from(ERRORS))
    def stop_at_a_step(self, made: Made, step: int, error: type[BaseException]) -> None:
        def stop(at: int, *_: Any) -> None:
            if at == step:
                raise error

        with self._failing(error):
            draw(made.patcher, callback=stop)

    @rule(made=made, layer=st.sampled_from(LAYERS), calls=st.integers(1, 4), error=st.sampled_from(ERRORS))
    def fail_in_a_layer(self, made: Made, layer: str, calls: int, error: type[BaseException]) -> None:
        left = [calls]

        def fail(*_: Any) -> None:
            left[0] -= 1
            if not left[0]:
                raise error

        module = self.model.model.get_submodule(f"diffusion_model.{layer}")
        handle = module.register_forward_pre_hook(fail)
        try:
            with self._failing(error):
                draw(made.patcher)
        finally:
            handle.remove()

    @rule(
        made=made,
        allocation=st.integers(0, 1500),
        name=st.sampled_from(NAMES),
        mode=st.sampled_from(("auto", "live")),
    )
    def run_out_of_memory(self, made: Made, allocation: int, name: str, mode: str) -> None:
        """In a whole prompt: reading, applying, loading, sampling."""
        content = self.content[name]
        with self._failing(torch.OutOfMemoryError), _Exhausted(allocation):
            patcher = made.patcher
            if isinstance(content, int) and len(made.recipe) < DEEPEST:
                patcher = self.room.apply(patcher, Apply(content, 0.7, mode, (0.0, 1.0)), name)
            draw(patcher)

    @rule()
    def unload(self) -> None:
        comfy.model_management.unload_all_models()

    @rule(made=made)
    def reload(self, made: Made) -> None:
        comfy.model_management.load_models_gpu([made.patcher])

    @rule()
    def clear_the_cache(self) -> None:
        self.room.pack.nodes.host.files.CACHE.discard(lambda held: True)

    @rule(name=st.sampled_from(NAMES), content=st.sampled_from((*CONTENTS, CUT, GONE)))
    def change_a_file(self, name: str, content: int | str) -> None:
        self._put(name, content)

    @rule()
    def collect(self) -> None:
        gc.collect()

    def teardown(self) -> None:
        """As it came: its own weights, its own forwards, no hook, and the picture of a new one."""
        assert torch.equal(draw(self.patcher), self.room.picture(()))
        comfy.model_management.unload_all_models()
        self.lent.__exit__(None, None, None)
        after = self.model.model.state_dict()
        assert after.keys() == self.before.keys()
        assert [key for key, value in after.items() if not torch.equal(value, self.before[key])] == []
        assert self.model.patches == {}
        assert self.model.injections == {}
        for name, module in self.model.model.named_modules():
            assert "forward" not in module.__dict__, name
            assert not module._forward_hooks, name
            assert not module._forward_pre_hooks, name
        assert not self.room.pack.lora_core.live.dispatch._PUBLISHED.get()

    def _wanted(self, made: Made) -> Tensor:
        return self.room.picture(made.recipe)

    @contextmanager
    def _failing(self, error: type[BaseException]) -> Iterator[None]:
        """The host's own way with an error in a prompt: after one for memory it unloads all models."""
        try:
            yield
        except error:
            self.room.failed += 1
            if error is torch.OutOfMemoryError:
                comfy.model_management.unload_all_models()

    def _is_refused(self, patcher: Any, step: Apply, name: str, content: int | str) -> None:
        errors = self.room.pack.lora_core.errors
        wanted = errors.UnresolvedLora if content == GONE else errors.FileError
        with pytest.raises(wanted, match=name):
            self.room.apply(patcher, step, name)
        self.room.refused += 1

    def _put(self, name: str, content: int | str) -> None:
        """Replace, cut or remove a file."""
        path = self.room.folder / f"{name}.safetensors"
        if content == GONE:
            path.unlink(missing_ok=True)
        else:
            source = self.room.folder / f"content-{0 if content == CUT else content}.safetensors"
            shutil.copy(source, path)
            if content == CUT:
                os.truncate(path, path.stat().st_size // 2)
            os.utime(path, ns=(time.time_ns(), time.time_ns()))
        folder_paths.filename_list_cache.pop("loras", None)
        self.content[name] = content


def draw(patcher: Any, rows: int = 1, **options: Any) -> Tensor:
    """A picture's latent."""
    return sample(patcher, LAYOUT, rows, steps=STEPS, cfg=1.0, **options)


class _Exhausted(TorchDispatchMode):
    """Memory ends at one of torch's operations."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self._left = at

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self._left -= 1
        if self._left < 0:
            raise torch.OutOfMemoryError
        return function(*args, **(kwargs or {}))


def _turn() -> dict[str, Tensor]:
    blocks = torch.randn(128, 8, 8, generator=torch.Generator().manual_seed(0)) * 0.2
    return {"diffusion_model.joint_blocks.0.x_block.mlp.fc1.oft_blocks": blocks}
