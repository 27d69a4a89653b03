"""The block weights of one LoRA, as canonical text."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class BlockWeights:
    """What `lbw=` and `lbwe=` of a tag hold. Empty: every block and every element at 1."""

    blocks: str = ""
    elements: str = ""

    @property
    def is_neutral(self) -> bool:
        """Whether nothing is weighted."""
        return not self.blocks and not self.elements


NEUTRAL = BlockWeights()
