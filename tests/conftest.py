"""What every test shares: a home folder of its own, and no keys from the machine's environment."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point `DIFFING_HOME` at a temporary folder, so that no test can touch real studies or the cache."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("DIFFING_HOME", str(home))
    for name in ("OPENROUTER_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return home
