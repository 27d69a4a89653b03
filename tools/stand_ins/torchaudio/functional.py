"""Stands in for torchaudio.functional, as the package does for the rest."""


def __getattr__(name: str) -> object:
    raise AttributeError(f"torchaudio is not installed here, so there is no torchaudio.functional.{name}")
