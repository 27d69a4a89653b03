"""`python -m lora_core`: LoRA files without ComfyUI."""

import importlib
import signal
import sys
from types import FrameType, ModuleType
from typing import Any


class _Later(ModuleType):
    """A module imported when something in it is first used.

    torch takes more than a second and 200 MB; what a header says needs none of it. importlib's LazyLoader
    will not do: the second `import` of a module asks for its `__spec__`, which is a use to that loader.
    """

    def __getattr__(self, name: str) -> Any:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        module = importlib.import_module(self.__name__)
        self.__dict__.update(vars(module))
        return getattr(module, name)


def _stop(number: int, frame: FrameType | None) -> None:
    """End as an error does, so that no half-written file stays behind."""
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.modules["torch"] = _Later("torch")
    from .cli import main

    for name in ("SIGTERM", "SIGHUP"):  # Windows has no SIGHUP
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _stop)
    sys.exit(main())
