"""Stands in for torchaudio where an interpreter has none.

ComfyUI imports it at once since 0.16, and uses it for audio only. Nothing of the pack does.
"""


def __getattr__(name: str) -> object:
    raise AttributeError(f"torchaudio is not installed here, so there is no torchaudio.{name}")
