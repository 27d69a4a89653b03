"""`python -m lora_core`: LoRA files without ComfyUI."""

import signal
import sys
from types import FrameType

from .cli import main


def _stop(number: int, frame: FrameType | None) -> None:
    """End as an error does, so that no half-written file stays behind."""
    sys.exit(128 + number)


if __name__ == "__main__":
    for name in ("SIGTERM", "SIGHUP"):  # Windows has no SIGHUP
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _stop)
    sys.exit(main())
