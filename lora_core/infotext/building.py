"""A recipe as a graph of ComfyUI: checkpoint, prompts, sampler, perhaps a second pass, and a picture."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from ..grammar import scan_prompt
from .drawing import Drawing, Part, Wire
from .here import Here, Missing, ModelFacts, Shelf
from .record import FileName, Hires, Infotext
from .sampling import Sampling, sampling_of, sampling_table

Json = dict[str, Any]
_TAG = re.compile(r"<\s*(?:lora|lyco)\s*:\s*([^:<>]+?)\s*(?::[^<>]*)?>", re.IGNORECASE)
_USUAL = Sampling("euler", "normal")


@dataclass(frozen=True)
class Built:
    """A graph in both formats, what of the recipe is not here, and what is to be said about it."""

    workflow: Json
    prompt: Json
    missing: tuple[Missing, ...]
    remarks: tuple[str, ...]

    def as_json(self) -> Json:
        """All of it as plain values."""
        missing = [
            {**vars(one), "candidates": list(one.candidates), "text": str(one)} for one in self.missing
        ]
        return {
            "workflow": self.workflow,
            "prompt": self.prompt,
            "missing": missing,
            "remarks": list(self.remarks),
        }


def build(text: Infotext, here: Here) -> Built:
    """The graph of a recipe with the files that are here. What is not here is named in the graph as in the
    text, its node marked, and a note lists what may stand for it.
    """
    return _Builder(text, here).built()


class _Builder:
    """Draws from the loaders to the picture."""

    def __init__(self, text: Infotext, here: Here) -> None:
        self._text = text
        self._here = here
        self._drawing = Drawing()
        self._missing: list[Missing] = []
        self._remarks = list(text.remarks)

    def built(self) -> Built:
        model, clip, vae = self._loaded()
        if self._text.clip_skip > 1:
            clip = self._drawing.add(
                "CLIPSetLastLayer", {"stop_at_clip_layer": -self._text.clip_skip}, clip=clip
            ).out()
        encoded = self._encoded(model, clip)
        positive = encoded.out(2)
        if self._text.guidance is not None:
            widgets = {"guidance": self._text.guidance}
            positive = self._drawing.add("FluxGuidance", widgets, conditioning=positive).out()
        samples = self._sampled(encoded.out(0), positive, encoded.out(3))
        images = self._drawing.add("VAEDecode", {}, samples=samples, vae=vae).out()
        self._drawing.add("SaveImage", {"filename_prefix": "ComfyUI"}, images=images)
        if told := [*map(str, self._missing), *self._remarks]:
            self._drawing.add("Note", {"text": "\n\n".join(told)})
        drawing = self._drawing
        return Built(drawing.as_workflow(), drawing.as_prompt(), tuple(self._missing), tuple(self._remarks))

    def _loaded(self) -> tuple[Wire, Wire, Wire]:
        """Model, text encoder and VAE."""
        wanted, here = self._text.checkpoint, self._here
        encoders, vae = self._modules()
        bare = "" if here.checkpoints.find(wanted) else here.diffusion_models.find(wanted)
        if bare:
            loader = self._drawing.add("UNETLoader", {"unet_name": bare, "weight_dtype": "default"})
            facts = ModelFacts(here.facts_of(bare).family, has_encoder=False)
        else:
            loader = self._drawing.add("CheckpointLoaderSimple", {"ckpt_name": ""})
            name = self._file(loader, "ckpt_name", "checkpoint", here.checkpoints, wanted)
            facts = here.facts_of(name) if name in here.checkpoints.names else ModelFacts()
        clip = loader.out(1) if facts.has_encoder and not encoders else self._encoders(encoders, facts)
        if vae or bare:
            made = self._drawing.add("VAELoader", {"vae_name": ""})
            self._file(made, "vae_name", "VAE", here.vaes, vae)
            return loader.out(), clip, made.out()
        return loader.out(), clip, loader.out(2)

    def _modules(self) -> tuple[list[str], FileName]:
        """Of Forge's modules, the text encoders that are here, and the VAE."""
        encoders, vae = list[str](), self._text.vae
        for name in self._text.modules:
            if found := self._here.text_encoders.find(FileName(name)):
                encoders.append(found)
            elif not vae:
                vae = FileName(name)
            else:
                shelf = self._here.text_encoders
                self._missing.append(Missing("text encoder", name, "", shelf.candidates(FileName(name))))
        return encoders[:3], vae

    def _encoders(self, names: list[str], facts: ModelFacts) -> Wire:
        """A loader of text encoders; of the only one that is here where the text names none."""
        shelf = self._here.text_encoders
        kind = sampling_table()["encoders"].get(facts.family, "stable_diffusion")
        missing = not names and len(shelf.names) != 1
        names = names or [*shelf.names[:1]] or [""]
        if len(names) == 3:
            widgets = {f"clip_name{place}": name for place, name in enumerate(names, start=1)}
            return self._drawing.add("TripleCLIPLoader", widgets).out()
        widgets = (
            {"clip_name": names[0]} if len(names) == 1 else {"clip_name1": names[0], "clip_name2": names[1]}
        )
        type = "CLIPLoader" if len(names) == 1 else "DualCLIPLoader"
        loader = self._drawing.add(type, {**widgets, "type": kind, "device": "default"})
        if missing:
            self._mark(loader, Missing("text encoder", "", "", shelf.candidates(FileName())))
        return loader.out()

    def _encoded(self, model: Wire, clip: Wire) -> Part:
        positive = self._with_hashes(self._text.positive)
        widgets = {
            "positive": positive,
            "negative": self._text.negative,
            "embeddings": True,
            "mode": "auto",
            "mismatch": "error",
        }
        encoded = self._drawing.add("LoraRackEncode", widgets, model=model, clip=clip)
        for tag in scan_prompt(positive).found.tags:
            wanted, shelf = FileName(tag.entry.name, tag.entry.hash), self._here.loras
            if tag.entry.is_active and not shelf.find(wanted):
                self._mark(encoded, Missing("LoRA", wanted.name, wanted.hash, shelf.candidates(wanted)))
        return encoded

    def _with_hashes(self, prompt: str) -> str:
        """The prompt with the hash of each tag whose name means nothing here, so that it finds its file."""
        hashes = {name.lower(): hash for name, hash in self._text.lora_hashes}

        def hashed(tag: re.Match[str]) -> str:
            hash = hashes.get(tag[1].lower(), "")
            is_needed = hash and "hash=" not in tag[0] and not self._here.loras.find(FileName(tag[1]))
            return f"{tag[0][:-1].rstrip()}:hash={hash}>" if is_needed else tag[0]

        return _TAG.sub(hashed, prompt)

    def _sampled(self, model: Wire, positive: Wire, negative: Wire) -> Wire:
        text = self._text
        size = {"width": text.width, "height": text.height, "batch_size": 1}
        latent = self._drawing.add("EmptyLatentImage", size).out()
        widgets = {"seed": text.seed, "steps": text.steps, "cfg": text.cfg, "denoise": 1.0}
        wires = {"model": model, "positive": positive, "negative": negative}
        samples = self._sampler(widgets, text.sampler, text.scheduler, wires, latent)
        if (hires := text.hires) is None:
            return samples
        second = {**widgets, "steps": hires.steps or text.steps, "cfg": hires.cfg or text.cfg}
        second["denoise"] = hires.denoise
        names = (hires.sampler or text.sampler, hires.scheduler or ("" if hires.sampler else text.scheduler))
        return self._sampler(second, *names, wires, self._upscaled(hires, samples))

    def _upscaled(self, hires: Hires, samples: Wire) -> Wire:
        methods = sampling_table()["upscalers"]
        key = hires.upscaler.lower()
        method = methods.get(key, methods["latent"])
        if key and key not in methods:
            self._remarks.append(
                f"the second pass enlarges the latent ({method}), not the picture by {hires.upscaler}"
            )
        if hires.width and hires.height:
            widgets = {
                "upscale_method": method,
                "width": hires.width,
                "height": hires.height,
                "crop": "disabled",
            }
            return self._drawing.add("LatentUpscale", widgets, samples=samples).out()
        widgets = {"upscale_method": method, "scale_by": hires.scale}
        return self._drawing.add("LatentUpscaleBy", widgets, samples=samples).out()

    def _sampler(self, widgets: Json, name: str, schedule: str, wires: dict[str, Wire], latent: Wire) -> Wire:
        samplers, schedulers = self._here.samplers, self._here.schedulers
        found = sampling_of(name, schedule, samplers, schedulers) if name else _USUAL
        chosen = Sampling(found.sampler or _USUAL.sampler, found.scheduler or _USUAL.scheduler)
        values = {
            **widgets,
            "control_after_generate": "fixed",
            "sampler_name": chosen.sampler,
            "scheduler": chosen.scheduler,
        }
        part = self._drawing.add("KSampler", values, **wires, latent_image=latent)
        for what, said, is_here, names in (
            ("sampler", name, found.sampler, samplers),
            ("schedule", schedule or name, found.scheduler, schedulers),
        ):
            if not is_here:
                self._mark(part, Missing(what, said, "", Shelf(names).candidates(FileName(said))))
        if not name:
            self._remarks.append(
                f"sampler is {_USUAL.sampler}, schedule {_USUAL.scheduler}: the text does not say it"
            )
        return part.out()

    def _file(self, part: Part, widget: str, what: str, shelf: Shelf, wanted: FileName) -> str:
        """Set a widget to the file that is meant; where none is, to what the text says, and mark the part."""
        found = shelf.find(wanted)
        if not found:
            candidates = shelf.candidates(wanted)
            self._mark(part, Missing(what, wanted.name, wanted.hash, candidates))
            found = wanted.name or next(iter(candidates), "")
        part.widgets[widget] = found
        return found

    def _mark(self, part: Part, missing: Missing) -> None:
        missing = replace(missing, node=part.number)
        self._missing.append(missing)
        part.marks.append(f"not here: {missing.name or missing.what}")
