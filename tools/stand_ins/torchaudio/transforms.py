"""Stands in for torchaudio.transforms, as the package does for the rest."""


def __getattr__(name: str) -> object:
    raise AttributeError(f"torchaudio is not installed here, so there is no torchaudio.transforms.{name}")
