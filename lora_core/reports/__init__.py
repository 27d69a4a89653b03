"""What a LoRA does, for people: energy by block and element, and two files compared."""

from .compare import LayerDifference, compare_loras, compare_loras_on, compare_tensors, summary
from .energy import Energy, Side, Spectrum, measure_alone, measure_on
from .energy_report import describe

__all__ = [
    "Energy",
    "LayerDifference",
    "Side",
    "Spectrum",
    "compare_loras",
    "compare_loras_on",
    "compare_tensors",
    "describe",
    "measure_alone",
    "measure_on",
    "summary",
]
