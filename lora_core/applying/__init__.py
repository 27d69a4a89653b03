"""A stack onto a model: what matches, what is fused into one patch a weight, and what became of each entry."""

from .baking import Bake, bake, baked, plan, scale_keys
from .matching import Foreign, Match, match
from .model_blocks import family_in, require_blocks
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
    "choose_ways",
    "family_in",
    "fuse",
    "in_parts",
    "match",
    "plan",
    "report",
    "require_blocks",
    "scale_keys",
]
