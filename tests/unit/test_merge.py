"""merge: a stack written into a checkpoint, by the command line."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from small_files import FC1, TEXT_LAYER, UNET_LAYER, Q, json_of, pair, random, save_lora

from lora_core import baking
from lora_core.cli import main
from lora_core.reading.stream import TensorReader

ROOT = Path(__file__).resolve().parents[2]


def test_merge_adds_the_change_and_keeps_the_rest(checkpoint: Path, ink: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.safetensors"
    assert main(["merge", "--lora", f"{ink}:0.5:2", "--into", str(checkpoint), "--out", str(out)]) == 0
    before, after, lora = load_file(checkpoint), load_file(out), load_file(ink)
    changes = {
        f"model.diffusion_model.{Q}.weight": (0.5, UNET_LAYER),
        f"cond_stage_model.transformer.{FC1}.weight": (2 * 0.5, TEXT_LAYER),
    }
    assert before.keys() == after.keys()
    for key, value in before.items():
        if key in changes:
            strength, layer = changes[key]
            change = lora[f"{layer}.lora_up.weight"] @ lora[f"{layer}.lora_down.weight"]
            assert torch.equal(after[key], (value.float() + strength * change).half())
        else:
            assert torch.equal(after[key], value)
            assert after[key].dtype == value.dtype


def test_merge_writes_down_what_it_did(checkpoint: Path, ink: Path, tmp_path: Path) -> None:
    once, twice = tmp_path / "once.safetensors", tmp_path / "twice.safetensors"
    assert main(["bake", f"{ink}:0.5", "--into", str(checkpoint), "--out", str(once)]) == 0
    assert main(["bake", f"{ink}:-0.5", "--into", str(once), "--out", str(twice)]) == 0
    with safe_open(twice, "pt") as file:
        metadata = file.metadata()
    first, second = json.loads(metadata[baking.BAKED])
    assert first["stack"] == "<lora:ink.safetensors:0.5>"
    assert second["checkpoint"] == "once.safetensors"
    assert second["loras"][0]["strength_model"] == -0.5
    assert len(first["loras"][0]["sha256"]) == 64
    assert metadata["author"] == "me"
    assert "modelspec.hash_sha256" not in metadata


def test_a_stack_file_names_files_in_a_folder(
    checkpoint: Path, ink: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stack = tmp_path / "stack.txt"
    stack.write_text("# a rack\n<lora:ink:unet=1:te=0>\n# <lora:missing:1>\n", encoding="utf-8")
    arguments = ("merge", "<lora:ink:0.25>", "--stack", stack, "--loras", ink.parent, "--into", checkpoint)
    found = json_of(capsys, *arguments, "--out", tmp_path / "out.safetensors")
    assert [lora["strength_model"] for lora in found["loras"]] == [1.0, 0.25]
    assert [lora["strength_clip"] for lora in found["loras"]] == [0.0, 0.25]
    assert found["tensors_changed"] == 2


def test_rows_stand_in_the_order_given(
    checkpoint: Path, ink: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rest = ("--loras", ink.parent, "--into", checkpoint, "--out", tmp_path / "out.safetensors", "--force")
    rows = ("--lora", f"{ink}:0.1", "--lora", f"{ink}:0.2", "<lora:ink:0.3>", f"{ink}:0.4")
    found = json_of(capsys, "merge", *rows, *rest)
    assert [lora["strength_model"] for lora in found["loras"]] == [0.1, 0.2, 0.3, 0.4]
    found = json_of(capsys, "merge", "<lora:ink:0.3>", "--lora", f"{ink}:0.1", *rest)
    assert [lora["strength_model"] for lora in found["loras"]] == [0.3, 0.1]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no colons in names")
def test_a_name_with_colons_takes_strengths_too(
    checkpoint: Path, ink: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = ink.rename(ink.with_name("a: b:1.safetensors"))
    rows = (str(odd), f"{odd}:0.5", f"{odd}:0.5:0.25")
    found = json_of(capsys, "merge", *rows, "--into", checkpoint, "--out", tmp_path / "out.safetensors")
    strengths = [(lora["strength_model"], lora["strength_clip"]) for lora in found["loras"]]
    assert strengths == [(1, 1), (0.5, 0.5), (0.5, 0.25)]


@pytest.mark.parametrize("earlier", ["5", "null", "{}", "nonsense", "[" * 10**5])
def test_records_that_cannot_be_read_do_not_stop_a_merge(
    earlier: str, checkpoint: Path, ink: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd, out = tmp_path / "odd.safetensors", tmp_path / "out.safetensors"
    save_file(load_file(checkpoint), odd, metadata={baking.BAKED: earlier})
    assert json_of(capsys, "inspect", odd)[0]["baked"] == []
    assert main(["merge", str(ink), "--into", str(odd), "--out", str(out)]) == 0
    capsys.readouterr()
    assert json_of(capsys, "inspect", out)[0]["baked"] == ["<lora:ink.safetensors:1>"]


def test_a_tag_names_a_file_by_its_hash(
    checkpoint: Path, ink: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_lora(ink.with_name("decoy.safetensors"), pair(UNET_LAYER, 4, 4))
    hash = hashlib.sha256(ink.read_bytes()).hexdigest()
    tag = f"<lora:decoy:1:hash={hash[:10]}>"
    arguments = (
        "merge",
        tag,
        "--loras",
        ink.parent,
        "--into",
        checkpoint,
        "--out",
        tmp_path / "out.safetensors",
    )
    assert Path(json_of(capsys, *arguments)["loras"][0]["path"]) == ink


def test_merge_can_change_the_dtype(checkpoint: Path, ink: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.safetensors"
    assert main(["merge", str(ink), "--into", str(checkpoint), "--out", str(out), "--dtype", "bf16"]) == 0
    dtypes = {value.dtype for key, value in load_file(out).items() if "position_ids" not in key}
    assert dtypes == {torch.bfloat16}
    assert (
        load_file(out)["cond_stage_model.transformer.text_model.embeddings.position_ids"].dtype == torch.int64
    )


def test_scaled_float8_is_changed_in_its_own_scale(tmp_path: Path) -> None:
    key = "model.diffusion_model.blocks.0.self_attn.q"
    weight = random(16, 16)
    scale = weight.abs().max() / 400
    checkpoint, lora, out = (tmp_path / name for name in ("m.safetensors", "l.safetensors", "o.safetensors"))
    tensors = {
        f"{key}.weight": (weight / scale).to(torch.float8_e4m3fn),
        f"{key}.scale_weight": scale.view(1),
    }
    save_file(
        {**tensors, **{f"model.diffusion_model.pad.{n}.weight": torch.zeros(1) for n in range(6)}}, checkpoint
    )
    save_lora(lora, pair("diffusion_model.blocks.0.self_attn.q", 16, 16, ("lora_B", "lora_A")))
    assert main(["merge", f"{lora}:0.1", "--into", str(checkpoint), "--out", str(out)]) == 0
    factors = load_file(lora)
    layer = "diffusion_model.blocks.0.self_attn.q"
    expected = weight + 0.1 * (factors[f"{layer}.lora_B.weight"] @ factors[f"{layer}.lora_A.weight"])
    found = load_file(out)[f"{key}.weight"].float() * scale
    assert (found - expected).abs().max() < 0.07 * expected.abs().max()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["{ink}", "--into", "{model}", "--out", "{model}"], 2, "exists already. --force"),
        (["--into", "{model}", "--out", "{out}"], 2, "the stack is empty"),
        (["{ink}:0", "--into", "{model}", "--out", "{out}"], 2, "the stack is empty"),
        (["{ink}:strong", "--into", "{model}", "--out", "{out}"], 2, "'strong' is not a strength"),
        (["{ink}:nan", "--into", "{model}", "--out", "{out}"], 2, "finite"),
        (["<lora:ink>", "--into", "{model}", "--out", "{out}"], 2, "--loras DIR"),
        (
            ["<lora:ink:x>", "--loras", "{loras}", "--into", "{model}", "--out", "{out}"],
            2,
            "line 1, column 11",
        ),
        (
            ["<lora:inc>", "--loras", "{loras}", "--into", "{model}", "--out", "{out}"],
            2,
            "Nearest names: ink",
        ),
        (["{ink}", "--into", "{ink}", "--out", "{out}"], 1, "none of its 2 layers"),
        (["{model}", "--into", "{model}", "--out", "{out}"], 2, "is a whole checkpoint"),
        (["gone.safetensors", "--into", "{model}", "--out", "{out}"], 2, "cannot be opened"),
        (["{ink}", "--into", "{model}", "--out", "{loras}/none/out.safetensors"], 2, "cannot be written to"),
        (["{ink}", "--into", "{model}", "--out", "{loras}"], 2, "is a folder"),
        (["--stack", "none.txt", "--into", "{model}", "--out", "{out}"], 2, "none.txt: cannot be read"),
        (["--stack", "{model}", "--into", "{model}", "--out", "{out}"], 2, "not UTF-8 text"),
    ],
)
def test_merge_refuses_in_one_line(
    arguments: list[str],
    code: int,
    said: str,
    checkpoint: Path,
    ink: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = checkpoint.read_bytes()
    places = {"ink": ink, "model": checkpoint, "out": tmp_path / "out.safetensors", "loras": ink.parent}
    assert main(["merge", *(argument.format(**places) for argument in arguments)]) == code
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    assert captured.out == ""
    assert checkpoint.read_bytes() == before
    assert not (tmp_path / "out.safetensors").exists()


def test_force_replaces_even_the_checkpoint_itself(checkpoint: Path, ink: Path) -> None:
    key = f"model.diffusion_model.{Q}.weight"
    before = load_file(checkpoint)[key].clone()
    assert main(["merge", str(ink), "--into", str(checkpoint), "--out", str(checkpoint), "--force"]) == 0
    assert not torch.equal(load_file(checkpoint)[key], before)


@pytest.mark.parametrize(
    ("stopped", "code"), [(OSError(28, "No space left on device"), 2), (KeyboardInterrupt(), 130)]
)
def test_a_merge_that_fails_leaves_nothing(
    stopped: BaseException,
    code: int,
    checkpoint: Path,
    ink: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(self: TensorReader, key: str, out: Any) -> None:
        raise stopped

    monkeypatch.setattr(TensorReader, "copy", fail)
    files = sorted(tmp_path.rglob("*"))
    arguments = ["merge", str(ink), "--into", str(checkpoint), "--out", str(tmp_path / "out.safetensors")]
    assert main(arguments) == code
    assert sorted(tmp_path.rglob("*")) == files


@pytest.mark.skipif(sys.platform == "win32", reason="only Unix limits the size of files")
def test_a_result_that_cannot_be_written_is_named(
    checkpoint: Path, ink: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A full disk, or one that takes no file so large, seen when half of the result is written."""
    import resource

    out = tmp_path / "out.safetensors"
    files = sorted(tmp_path.rglob("*"))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (checkpoint.stat().st_size // 2, limits[1]))
    try:
        assert main(["merge", str(ink), "--into", str(checkpoint), "--out", str(out)]) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    said = capsys.readouterr().err
    assert said.startswith(f"error: {out}: could not be written (File too large)")
    assert said.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == files


_STOPPED_MEANWHILE = """
import runpy, sys, time
from lora_core.reading.stream import TensorReader
def stop_here(self, key, out):
    print("writing", flush=True)
    time.sleep(60)
TensorReader.copy = stop_here
sys.argv[0] = "lora_core"
runpy.run_module("lora_core", run_name="__main__", alter_sys=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a program without asking it")
def test_a_merge_that_is_ended_leaves_nothing(checkpoint: Path, ink: Path, tmp_path: Path) -> None:
    files = sorted(tmp_path.rglob("*"))
    out = tmp_path / "out.safetensors"
    command = [sys.executable, "-c", _STOPPED_MEANWHILE, "merge", ink, "--into", checkpoint, "--out", out]
    with subprocess.Popen([*map(str, command)], cwd=ROOT, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "writing\n"
        running.terminate()
        assert running.wait(120) == 128 + signal.SIGTERM
    assert sorted(tmp_path.rglob("*")) == files


def test_packed_weights_are_refused(ink: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tensors = {f"model.diffusion_model.pad.{n}.weight": torch.zeros(1) for n in range(6)}
    tensors[f"model.diffusion_model.{Q}.weight"] = torch.zeros(8, 8, dtype=torch.int8)
    save_file(tensors, tmp_path / "packed.safetensors")
    out = tmp_path / "out.safetensors"
    assert main(["merge", str(ink), "--into", str(tmp_path / "packed.safetensors"), "--out", str(out)]) == 2
    assert "packed" in capsys.readouterr().err


_MEASURE = """
import sys
from pathlib import Path
from lora_core.baking import bake, plan_bake
from lora_core.stack import Entry
small, small_lora, large, lora, out = map(Path, sys.argv[1:])
def resident(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) * 1024
def run(checkpoint, file):
    bake(plan_bake(checkpoint, [Entry("lora")], [file]), out, force=True)
run(small, small_lora)
before = resident("VmRSS")
Path("/proc/self/clear_refs").write_text("5")  # the peak from here on
run(large, lora)
print(resident("VmHWM") - before)
"""


def _uniform_model(folder: Path, name: str, count: int, side: int, rank: int) -> list[Path]:
    """A checkpoint of `count` square float16 tensors, and a LoRA on all of them."""
    layers = [f"diffusion_model.blocks.{n}.self_attn.q" for n in range(count)]
    paths = [folder / f"{name}.safetensors", folder / f"{name}_lora.safetensors"]
    save_file(
        {f"model.{layer}.weight": torch.zeros(side, side, dtype=torch.float16) for layer in layers}, paths[0]
    )
    pairs = [
        {f"{layer}.lora_B.weight": torch.ones(side, rank), f"{layer}.lora_A.weight": torch.ones(rank, side)}
        for layer in layers
    ]
    save_lora(paths[1], *pairs)
    return paths


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells a peak from here on")
def test_a_merge_needs_the_memory_of_one_tensor(tmp_path: Path, record_property: Any) -> None:
    """Peak resident memory, in a process of its own that has warmed up on a small checkpoint.

    A tensor of 4 million float16 numbers is 8 MiB as stored, 16 MiB while it is summed, 8 MiB rounded, of
    which two are held at a time: 24.5 MiB with the factors, and 24.8 are measured, or 40 when the allocator
    keeps a block it was given back. The checkpoint has 16 such tensors, 128 MiB.
    """
    count, side, rank = 16, 2048, 16
    files = [
        *_uniform_model(tmp_path, "small", count, 8, rank),
        *_uniform_model(tmp_path, "large", count, side, rank),
        tmp_path / "out.safetensors",
    ]
    command = [sys.executable, "-c", _MEASURE, *map(str, files)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    peak = int(done.stdout)
    one = side * side * (2 + 4) + 2 * side * rank * (4 + 4)
    record_property("peak_bytes", peak)
    assert 0 < peak < 2 * one, f"{peak / 2**20:.1f} MiB, for one tensor {one / 2**20:.1f} MiB"
