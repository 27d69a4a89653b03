"""Whatever happens to a model, its next picture is that of a new one (rack_machine.py)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import comfy.model_patcher
import dynamic_memory
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from rack_machine import RackMachine, Room

EXAMPLES = int(os.environ.get("RACK_SEQUENCES", "16"))
STEPS = 20
HAS_DYNAMIC = hasattr(comfy.model_patcher, "ModelPatcherDynamic")

Handled = Callable[[Any], AbstractContextManager[Any]]


@contextmanager
def _static(model: Any) -> Iterator[Any]:
    yield model


@contextmanager
def _dynamic(model: Any) -> Iterator[Any]:
    with dynamic_memory.stand_in() as memory:
        with dynamic_memory.dynamic(model) as patcher:
            yield patcher
        assert memory.lent == 0


def _run(room: Room) -> None:
    machine = type("Machine", (RackMachine,), {"room": room})
    # The same sequences in every run; RACK_SEQUENCES=1000 tries a thousand.
    options = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
    )
    run_state_machine_as_test(machine, settings=options)


def test_no_sequence_leaves_a_trace(pack: Any, core: Any, lora_folder: Path) -> None:
    room = Room(pack, lora_folder, _static)
    room.prepare()
    _run(room)
    assert room.failed > EXAMPLES / 2
    assert room.refused > EXAMPLES / 4


@pytest.mark.skipif(not HAS_DYNAMIC, reason="this host has no dynamic memory")
def test_no_sequence_leaves_a_trace_in_dynamic_memory(pack: Any, core: Any, lora_folder: Path) -> None:
    room = Room(pack, lora_folder, _dynamic)
    room.prepare()
    _run(room)
    assert room.failed > EXAMPLES / 2
