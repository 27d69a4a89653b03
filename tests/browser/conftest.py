"""The browser ring: the real page in a real Chromium, in the classic rendering and in Nodes 2.0."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "unit"))  # the fakes of the sites
from fake_sites import Fakes, sites_of_a_server
from lora_folder import write_many, write_styles
from playwright.sync_api import Browser, Page, expect, sync_playwright
from workbench import PATIENCE_S, OpenPage, Workbench

from tools.dev.base_folder import TEXT_ENCODER, prepare_base
from tools.dev.host_client import HostClient
from tools.dev.host_server import HostServer
from tools.dev.layout import PACK, this_checkout

PICTURES = this_checkout().root / "out" / "browser"
LIBRARY = 5000
RENDERINGS = ("classic", "nodes2")
FRONTENDS = ("own", "newest")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "frontends: a story that is also told in the newest page of the host")


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every story in the host's own page; those most at the mercy of the page in the newest one too.

    First of all parameters, so that each page has all its tests in one go and the host starts once for each.
    """
    if "frontend" in metafunc.fixturenames:
        is_told_twice = metafunc.definition.get_closest_marker("frontends") is not None
        told = FRONTENDS if is_told_twice else FRONTENDS[:1]
        metafunc.parametrize("frontend", told, indirect=True, scope="session")


_FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember a failure for the fixture that tidies up after it."""
    report = yield
    item.stash[_FAILED] = item.stash.get(_FAILED, False) or report.failed
    return report


@pytest.fixture(scope="session")
def frontend(request: pytest.FixtureRequest) -> str:
    """Which page the host serves: the one it came with, or the newest."""
    return str(request.param)


def _newest_page() -> Path:
    """The page of the pinned package among the test tools, which stand before the host's on the path."""
    found = importlib.util.find_spec("comfyui_frontend_package")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).with_name("static")


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the host: the demo's models, a few LoRAs with everything, and a library of thousands."""
    folder = prepare_base(tmp_path_factory.mktemp("base"), this_checkout())
    encoder = Path(os.environ["RACK_BASE_DIR"]) / "models" / "text_encoders" / TEXT_ENCODER
    (folder / "models" / "text_encoders" / TEXT_ENCODER).symlink_to(encoder)
    write_styles(folder / "models" / "loras")
    write_many(folder / "models" / "loras", LIBRARY)
    return folder


@pytest.fixture(scope="session")
def sites() -> Iterator[Fakes]:
    """Civitai and Hugging Face as far as the server knows."""
    with sites_of_a_server() as fakes:
        yield fakes


@pytest.fixture(scope="session")
def server(
    base: Path, sites: Fakes, frontend: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[HostServer]:
    log = tmp_path_factory.mktemp("log") / "host.log"
    arguments = ["--whitelist-custom-nodes", PACK]
    if frontend == "newest":
        arguments += ["--front-end-root", str(_newest_page())]
    with HostServer.from_environment(log, base=base, arguments=arguments) as running:
        yield running


@pytest.fixture
def client(server: HostServer) -> HostClient:
    return HostClient(server.address)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    arguments = ["--disable-gpu"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        arguments.append("--no-sandbox")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=os.environ["RACK_CHROMIUM"], args=arguments)
        expect.set_options(timeout=PATIENCE_S * 1000)
        yield browser
        browser.close()


@pytest.fixture(scope="session", params=RENDERINGS)
def rendering(request: pytest.FixtureRequest) -> str:
    """How the page draws nodes. Of the whole session, so that all tests in one page come after each other."""
    return str(request.param)


@pytest.fixture
def theme() -> str:
    """The page's colours; a test that looks at both gives this as a parameter."""
    return "dark"


@pytest.fixture(scope="session")
def opened(chromium: Browser, server: HostServer, frontend: str, rendering: str) -> Iterator[OpenPage]:
    """The page that is open: one at a time, since each draws without pause and they would slow each other."""
    pictures = PICTURES if frontend == "own" else PICTURES / frontend
    with OpenPage(chromium, HostClient(server.address), pictures, server.url, rendering) as opened:
        yield opened


@pytest.fixture
def bench(request: pytest.FixtureRequest, opened: OpenPage, theme: str) -> Iterator[Workbench]:
    """An empty graph in the page. An error of ours in the console fails the test that caused it.

    A page in which a test failed is kept as a picture and used no more, whatever it was left in.
    """
    bench = opened.bench()
    bench.wear(theme)
    bench.clear()
    bench.errors.clear()
    yield bench
    if request.node.stash.get(_FAILED, False):
        bench.picture(re.sub(r"\W+", "-", f"failed-{request.node.name}"))
        bench.is_spent = True
    assert bench.errors == []


@pytest.fixture
def page(bench: Workbench) -> Page:
    return bench.page
