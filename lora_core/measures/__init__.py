"""What pictures of a sweep measure: luma, saturation and detail."""

from .measurements import Measured, as_json, measure_sweep

__all__ = [
    "Measured",
    "as_json",
    "measure_sweep",
]
