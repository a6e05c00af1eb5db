"""The switch on the page Run by which weights answer through vLLM."""

import os
from pathlib import Path

import pandas as pd
import pytest

from diffing.models import providers
from diffing.models.serving import engine
from diffing.study.study import Study
from tests.fakes.vllm_server import stand_in
from tests.pages.test_pages import opened


def test_it_says_what_would_be_started_or_how_vllm_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sides = [providers.parse(source, key) for key, source in (("a", "starter"), ("b", "starter+style"))]
    Study.create("s", sides, pd.DataFrame({"text": ["Why?"]}))
    monkeypatch.setenv(engine.VARIABLE, str(tmp_path / "no-such"))
    app = opened("pages/run.py", study="s")
    assert app.toggle(key="serve").disabled
    assert any(engine.INSTALL in caption.value for caption in app.caption)
    monkeypatch.setenv(engine.VARIABLE, str(stand_in(tmp_path / "vllm", gpus=2).folder / "vllm"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'vllm'}:{os.environ['PATH']}")
    app = opened("pages/run.py", study="s")
    app.toggle(key="serve").set_value(True)
    app.run()
    assert not app.exception
    said = [caption.value.replace("\\", "") for caption in app.caption]
    first, second = (f"GPU {number} (Stand-in, 80 GB)" for number in "01")
    assert f"vLLM serves starter with style: 2 servers, 90 % of the memory of {first}; {second}." in said
