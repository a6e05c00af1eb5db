"""What every test shares: a home folder of its own, no keys of the machine's, the same main module."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.fakes.openai_server import OpenAIServer

# Tests run two at a time on two processors: the threads of each would wait for those of the other, and spin while
# they do. Before anything imports torch, and for the processes that tests start.
os.environ["OMP_NUM_THREADS"] = "1"

# A slow machine is no failure: no example is held to a time.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(autouse=True, scope="session")
def common_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A home for what is made once for many tests, which no test's own home is there for yet."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIFFING_HOME", str(tmp_path_factory.mktemp("common-home")))
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


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    """A server that speaks OpenAI's protocol; a test sets its `reply` to have it misbehave."""
    with OpenAIServer() as running:
        yield running


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests last: Playwright keeps an event loop running, in which no other test could start its own."""
    items.sort(key=lambda item: "e2e" in item.path.parts)
