"""What the tests of this ring share. They work on small tensors, where threads only wait for each other."""

from __future__ import annotations

from pathlib import Path

import hypothesis
import pytest
import torch
from small_files import write_checkpoint, write_ink

torch.set_num_threads(1)

# A slow machine is no failure.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A small checkpoint on disk."""
    return write_checkpoint(tmp_path)


@pytest.fixture
def ink(tmp_path: Path) -> Path:
    """A LoRA for it."""
    return write_ink(tmp_path)
