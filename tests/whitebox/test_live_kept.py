"""Of what was written live the newest stay, and what is older is written again when its link is opened."""

import os

import pandas as pd
import pytest

from diffing.models import providers
from diffing.study.study import Study
from diffing.whitebox.writing import live
from diffing.whitebox.writing.live import Asked, Written


def test_the_texts_written_last_are_kept_and_nothing_else_is_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "KEPT", 2)
    sides = [providers.parse("starter", "a"), providers.parse("starter+fact", "b")]
    study = Study.create("s", sides, pd.DataFrame({"text": ["Hello"]}))
    place = live.folder(study, "a", "b")
    place.mkdir(parents=True)
    (place / "lens-1.safetensors").write_bytes(b"directions")
    for n in range(4):
        asked = Asked(prompt=f"Prompt {n}")
        path = live.path_of(study, "a", "b", asked)
        live.save(path, Written(asked=asked, a=[], b=[], whole=True, numbers="float32", date=str(n)))
        # Each a second later than the one before, whatever the disk's clock counts in.
        os.utime(path, (n, n))
    assert [each.asked.prompt for each in live.latest(study, "a", "b", 9)] == ["Prompt 3", "Prompt 2"]
    assert live.load(live.path_of(study, "a", "b", Asked(prompt="Prompt 0"))) is None
    assert [path.name for path in place.glob("*.safetensors")] == ["lens-1.safetensors"]
