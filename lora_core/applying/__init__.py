"""How a stack is applied to a model: what matches, one patch a weight, the verdict on each entry."""

from .baking import Bake, bake, baked, plan_bake, scale_keys
from .matching import Foreign, Match, match
from .model_blocks import blocks_in, require_blocks
from .modes import MODES, Way, choose_ways
from .patch import ForeignStep, Step, fuse, in_parts
from .verdict import Verdict, report

__all__ = [
    "MODES",
    "Bake",
    "Foreign",
    "ForeignStep",
    "Match",
    "Step",
    "Verdict",
    "Way",
    "bake",
    "baked",
    "blocks_in",
    "choose_ways",
    "fuse",
    "in_parts",
    "match",
    "plan_bake",
    "report",
    "require_blocks",
    "scale_keys",
]
