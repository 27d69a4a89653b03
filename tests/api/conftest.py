"""The api ring: a live host with the pack, spoken to over HTTP and its websocket."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "unit"))  # the fakes of the sites
from fake_sites import Fakes, sites_of_a_server

from tools.dev.base_folder import TEXT_ENCODER, prepare_base
from tools.dev.host_client import HostClient
from tools.dev.host_server import HostServer
from tools.dev.layout import PACK, this_checkout

ROOT = Path(__file__).resolve().parents[2]
FIXTURE_PACK = "fixture_pack"


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the host: the demo models, random models of every layout, and the fixture pack."""
    folder = prepare_base(tmp_path_factory.mktemp("base"), this_checkout())
    pack = shutil.copytree(Path(__file__).parent / FIXTURE_PACK, folder / "custom_nodes" / FIXTURE_PACK)
    shutil.copy(ROOT / "tests" / "fuzzing" / "watch.py", pack)
    encoder = Path(os.environ["RACK_BASE_DIR"]) / "models" / "text_encoders" / TEXT_ENCODER
    os.link(encoder, folder / "models" / "text_encoders" / TEXT_ENCODER)
    script = ROOT / "tests" / "host" / "write_models.py"
    subprocess.run([sys.executable, script, folder / "models"], cwd=script.parent, check=True, timeout=300)
    return folder


@pytest.fixture(scope="session")
def loras(base: Path) -> Path:
    """The host's loras folder."""
    return base / "models" / "loras"


@pytest.fixture(scope="session")
def sites() -> Iterator[Fakes]:
    """Civitai and Hugging Face as far as the server knows; a test sets their fault and takes it back."""
    with sites_of_a_server() as fakes:
        yield fakes


@pytest.fixture(scope="session")
def server(base: Path, sites: Fakes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostServer]:
    log = tmp_path_factory.mktemp("log") / "host.log"
    arguments = ["--whitelist-custom-nodes", PACK, FIXTURE_PACK]
    with HostServer.from_environment(log, base=base, arguments=arguments) as running:
        yield running


@pytest.fixture
def client(server: HostServer) -> HostClient:
    return HostClient(server.address)
