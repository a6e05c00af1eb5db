"""What every test shares: a home folder of its own, no keys of the machine's, the same main module."""

import functools
import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from hypothesis import settings
from streamlit.components.v2 import manifest_scanner

from tests.fakes.kept import ROOT
from tests.fakes.openai_server import OpenAIServer

# Tests run two at a time on two processors: the threads of each would wait for those of the other, and spin while
# they do. Before anything imports torch, and for the processes that tests start.
os.environ["OMP_NUM_THREADS"] = "1"

# The many processes that tests start would each compile the whole program, where this was set.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# A slow machine is no failure: no example is held to a time.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(autouse=True, scope="session")
def common_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A home for what is made once for many tests, and a place where all processes keep what they copy."""
    base = tmp_path_factory.getbasetemp()
    kept = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "kept"
    kept.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIFFING_HOME", str(tmp_path_factory.mktemp("common-home")))
        patch.setenv(ROOT, str(kept))
        yield


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder of its own, so that no test can touch real studies or the cache, no keys, the main module."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("DIFFING_HOME", str(home))
    # Streamlit leaves its script as the main module, which a process started by a later test would run once more.
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    for name in ("OPENROUTER_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return home


@pytest.fixture(autouse=True, scope="session")
def looked_up_once() -> Iterator[None]:
    """What libraries read from the disk for each page and each connection, and what is the same every time.

    Streamlit's AppTest looks through all installed packages for components: half a second, which is longer than
    most pages take. A connection reads every certificate that this machine trusts: forty milliseconds, for a
    server that has none.
    """
    search = functools.cache(manifest_scanner.scan_component_manifests)
    trusted = functools.cache(httpx2.create_ssl_context)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", search)
        patch.setattr("httpx2._transports.default.create_ssl_context", trusted)
        yield


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    """A server that speaks OpenAI's protocol; a test sets its `reply` to have it misbehave."""
    with OpenAIServer() as running:
        yield running


LONG = [
    *("test_kills.py", "test_journey.py", "test_examples.py", "test_sample_whole.py", "test_workflow.py"),
    *("test_pages.py", "test_address.py", "test_pages_addresses.py", "test_bundled.py", "test_writing.py"),
]
"""The files that take longest, half a minute or so each: at the end one process would wait for the other."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first; browser tests last: Playwright keeps its event loop, and no other test could start one."""
    items.sort(key=lambda item: ("e2e" in item.path.parts, item.path.name not in LONG))


def pytest_collection_finish() -> None:
    """What is there by now stays: torch, Streamlit, every test. Python's search for garbage need not go over it
    again each time."""
    gc.collect()
    gc.freeze()
