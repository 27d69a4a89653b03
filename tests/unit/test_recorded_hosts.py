"""Our tables of samplers and row layouts, and our calls of the host, held to every recorded ComfyUI."""

from __future__ import annotations

import json
from collections.abc import Mapping
from inspect import Parameter, Signature
from typing import Any

import host_table
import pytest
import recorded_hosts
from recorded_hosts import ROOT, VERSIONS

from lora_core.families import row_layouts
from tools.host_record.calls import Call, host_calls, method_calls

NODES = ROOT / "nodes"
SWEEPING = NODES / "host" / "sweeping"


def test_hosts_are_recorded() -> None:
    assert set(VERSIONS) >= {"0.3.75", "0.28.0"}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_record_leaves_nothing_of_its_host_out(version: str) -> None:
    assert recorded_hosts.recorded(version)["missing"] | {"host": "", "kind": ""} == {
        "host": "", "kind": "", "models": [], "encoders": [], "failed": {},
    }  # fmt: skip
    assert len(recorded_hosts.models(version)) > 60
    assert len(recorded_hosts.encoders(version)) > 25


def test_the_tables_of_the_document_are_current() -> None:
    text = host_table.DOCUMENT.read_text(encoding="utf-8")
    assert "| 0.28.0 |" in text
    assert text == host_table.current(text), "run tests/unit/host_table.py"


# Samplers


def _sampler_kinds() -> Mapping[str, str]:
    table = json.loads((SWEEPING / "samplers.json").read_text(encoding="utf-8"))
    del table["source"]
    return {
        f"{module}.{name}": kind
        for kind, modules in table.items()
        for module, names in modules.items()
        for name in names
    }


@pytest.mark.parametrize("version", VERSIONS)
def test_every_sampler_of_a_host_is_in_the_table(version: str) -> None:
    functions = recorded_hosts.recorded(version)["samplers"]["functions"]
    kinds = _sampler_kinds()
    assert [name for name, sampler in functions.items() if sampler["function"] not in kinds] == []


@pytest.mark.parametrize("version", VERSIONS)
def test_a_sampler_draws_noise_as_the_table_says(version: str) -> None:
    """Only what draws noise takes a noise sampler, and what it draws with is named in its code."""
    samplers = recorded_hosts.recorded(version)["samplers"]
    kinds = _sampler_kinds()
    for name, sampler in samplers["functions"].items():
        kind = kinds[sampler["function"]]
        if kind == "adaptive":
            continue
        assert sampler["takes_noise_sampler"] == (kind != "no noise"), name
        drawn = _drawn_with(sampler["function"].rpartition(".")[2], samplers["uses"])
        if kind.startswith("brownian"):
            assert "BrownianTreeNoiseSampler" in drawn, name
        elif kind == "gaussian" and drawn:
            assert drawn <= {"default_noise_sampler", "randn_like"}, name


def _drawn_with(function: str, uses: Mapping[str, list[str]]) -> set[str]:
    """The sources of noise a sampler names, and those of the samplers it calls."""
    found, open_names = set(), [function]
    while open_names:
        for name in uses.get(open_names.pop(), ()):
            if name.startswith("sample_"):
                open_names.append(name)
            else:
                found.add(name)
    return found


# Row layouts


@pytest.mark.parametrize("version", VERSIONS)
def test_every_row_layout_names_modules_of_a_host(version: str) -> None:
    keys = [key for entry in recorded_hosts.models(version).values() for key in entry["keys"]]
    patterns = [pattern for kind in row_layouts().values() for pattern in kind]
    assert len(patterns) > 3
    assert [one for one in patterns if not any(one.search(f".{key}") for key in keys)] == []


# Calls


def _signature(parameters: list[list[Any]]) -> Signature:
    return Signature(
        [
            Parameter(name, Parameter.__dict__[kind], default=None if has_default else Parameter.empty)
            for name, kind, has_default in parameters
        ]
    )


def _why_refused(call: Call, parameters: list[list[Any]], *, is_method: bool = False) -> str:
    assert call.arguments is not None
    count, names = call.arguments
    signature = _signature(parameters)
    bind = signature.bind_partial if call.is_open else signature.bind
    try:
        bind(*[None] * (count + is_method), **dict.fromkeys(names))
    except TypeError as error:
        return f"nodes/{call.file}:{call.line}: {call.name}: {error}"
    return ""


@pytest.mark.parametrize("version", VERSIONS)
def test_every_function_we_call_takes_our_arguments(version: str) -> None:
    known = recorded_hosts.recorded(version)["signatures"]["names"]
    calls = host_calls(NODES)
    assert len(calls) > 40
    unknown = sorted(
        {f"nodes/{call.file}:{call.line}: {call.name}" for call in calls if call.name not in known}
    )
    assert unknown == [], "not in the host, or the host is to be recorded anew"
    called = [call for call in calls if call.arguments is not None and known[call.name] is not None]
    assert [why for call in called if (why := _why_refused(call, known[call.name]))] == []


@pytest.mark.parametrize("version", VERSIONS)
def test_every_method_of_a_model_patcher_takes_our_arguments(version: str) -> None:
    """Told by what we call the object, and by names of two words, which are the patcher's alone."""
    methods = recorded_hosts.recorded(version)["signatures"]["methods"]
    calls = [
        (call, methods["patcher"][method])
        for call in method_calls(NODES)
        for owner, _, method in [call.name.partition(".")]
        if method in methods["patcher"] and (owner in ("patcher", "model") or "_" in method)
    ]
    assert len(calls) > 10
    assert [why for call, takes in calls if (why := _why_refused(call, takes, is_method=True))] == []
