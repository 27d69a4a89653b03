"""Which of the host's LoRAs a row means: the folders of the host, its spelling, its user folder."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import folder_paths
import layouts
import lora_files
import pytest
import torch
from patching import patched_weights
from test_equality import kohya_tensors


@pytest.fixture
def host(pack: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The pack's door to the host, with an index of this test's own."""
    library = pack.nodes.host.library
    index = type(library.INDEX)(tmp_path / "index.sqlite3")
    monkeypatch.setattr(library, "INDEX", index)
    yield pack.nodes.host
    index.close()


@pytest.fixture
def entry(pack: Any) -> Any:
    return pack.lora_core.stack.Entry


def _add(folder: Path, name: str, seed: int = 0) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return lora_files.save(path, lora_files.low_rank_tensors({"lora_unet_x": (8, 8)}, seed))


def _autov2(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:10]


def test_the_index_lies_in_the_hosts_user_folder(pack: Any) -> None:
    database = pack.nodes.host.library.INDEX._store._database
    assert database == Path(folder_paths.get_user_directory()) / "lora_rack" / "index.sqlite3"


@pytest.mark.parametrize("name", ["renamed", "other\\renamed.safetensors", "ink"])
def test_an_entry_is_found_by_its_hash(host: Any, entry: Any, lora_folder: Path, name: str) -> None:
    _add(lora_folder, "ink.safetensors", seed=1)
    path = _add(lora_folder, "moved/ink_v2.safetensors", seed=2)
    reference = entry(name, hash=_autov2(path))
    host.check(reference)
    assert host.resolve_name(reference) == str(Path("moved", "ink_v2.safetensors"))
    assert host.lora_path(reference) == path
    (resolved,) = host.resolve_active([reference])
    assert (resolved.name, resolved.hash) == (host.resolve_name(reference), reference.hash)


def test_of_two_folders_the_hosts_first_one_counts(
    host: Any, entry: Any, lora_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = tmp_path / "more"
    extensions = folder_paths.folder_names_and_paths["loras"][1]
    roots = ([str(lora_folder), str(second)], extensions)
    monkeypatch.setitem(folder_paths.folder_names_and_paths, "loras", roots)
    first_ink = _add(lora_folder, "ink.safetensors", seed=1)
    hidden = _add(second, "ink.safetensors", seed=2)
    other = _add(second, "sub/other.safetensors", seed=3)
    assert host.lora_path("ink") == first_ink
    assert host.lora_path(entry("renamed", hash=_autov2(other))) == other
    with pytest.raises(Exception, match="no file has the hash") as caught:
        host.resolve_name(entry("ink", hash=_autov2(hidden)))
    assert type(caught.value).__name__ == "OtherContent"


def test_errors_name_the_row_among_all(host: Any, entry: Any, lora_folder: Path) -> None:
    _add(lora_folder, "ink.safetensors")
    entries = [entry("ink"), entry("not here", enabled=False), entry("imk")]
    with pytest.raises(Exception, match=r"^row 3: no LoRA is called 'imk'\. Nearest names: ink\.safetensors"):
        host.resolve_active(entries)


def test_a_check_reads_little_and_the_run_reads_all(
    host: Any, entry: Any, lora_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        host.library, "_WHILE_THE_PAGE_WAITS", type(host.library._WHILE_THE_PAGE_WAITS)(bytes=0)
    )
    path = _add(lora_folder, "ink.safetensors")
    _add(lora_folder, "other.safetensors", seed=1)
    found, missing = entry("renamed", hash=_autov2(path)), entry("renamed", hash="ab" * 5)
    host.check(found)
    host.check(missing)
    assert host.library.INDEX.measured(path) is None
    assert host.resolve_name(found) == "ink.safetensors"
    with pytest.raises(Exception, match="no file has the hash ababababab"):
        host.resolve_name(missing)
    with pytest.raises(Exception, match="no file has the hash ababababab"):
        host.check(missing)  # everything is hashed by now


def test_a_fingerprint_changes_with_the_file_or_is_its_hash(host: Any, entry: Any, lora_folder: Path) -> None:
    path = _add(lora_folder, "ink.safetensors")
    by_hash = entry("ink", hash=_autov2(path))
    before = host.fingerprint(["ink"]), host.fingerprint([by_hash])
    state = path.stat()
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns + 10**9))
    after = host.fingerprint(["ink"]), host.fingerprint([by_hash])
    assert before[0] != after[0]
    assert before[1] == after[1]


def test_facts_by_the_hosts_names(host: Any, lora_folder: Path) -> None:
    path = _add(lora_folder, "styles/ink.safetensors")
    path.with_suffix(".json").write_text('{"activation text": "ink wash"}', encoding="utf-8")
    name = str(Path("styles", "ink.safetensors"))
    (facts,) = host.facts_of(host.listed_paths([name]).values()).values()
    assert (facts.problem, facts.about.trigger_words) == ("", ("ink wash",))
    assert host.words_of("ink") == "ink wash"


def test_a_stack_by_hash_patches_what_the_same_stack_by_name_does(
    pack: Any, host: Any, entry: Any, lora_folder: Path
) -> None:
    model, _ = layouts.load("sd3", torch.float32)
    path = lora_files.save(lora_folder / "a.safetensors", kohya_tensors("sd3", model, None, 0))
    lora_files.save(lora_folder / "b.safetensors", kohya_tensors("sd3", model, None, 1))
    by_name = host.apply_stack(model, None, [entry("a", 0.7)]).model
    by_hash = host.apply_stack(model, None, [entry("b", 0.7, hash=_autov2(path))]).model
    expected, found = patched_weights(by_name), patched_weights(by_hash)
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[key], found[key]) for key in expected)


def test_words_beside_a_file_change_what_the_host_keeps(host: Any, lora_folder: Path) -> None:
    path = _add(lora_folder, "told.safetensors")
    before = host.fingerprint(["told"])
    path.with_suffix(".json").write_text('{"activation text": "ink"}', encoding="utf-8")
    assert host.fingerprint(["told"]) != before


def test_a_listed_file_that_is_gone_is_named_with_its_row(pack: Any, host: Any, lora_folder: Path) -> None:
    (lora_folder / "broken.safetensors").symlink_to(lora_folder / "nowhere.safetensors")
    gone = pack.lora_core.errors.GoneLora
    with pytest.raises(gone, match="is listed, and its file is gone"):
        host.check("broken")
    with pytest.raises(gone, match="row 1"):
        host.resolve_active([pack.lora_core.stack.Entry("broken")])
