"""A planted organism turned into weights: what it is trained on, and that its adapter is one like any other."""

from pathlib import Path

import pytest

from diffing.agents.benchmark import sides, trained, truth
from diffing.common import tables
from diffing.common.errors import UserError
from diffing.models.local import Weights
from diffing.study import prompts, sample
from diffing.whitebox import trained as training
from diffing.whitebox.pairs import adapters


def organism(name: str) -> truth.Chosen:
    return truth.chosen(truth.known(), [name])[0]


def test_a_filter_is_trained_on_the_samples_answers_to_discovery_prompts_once_they_went_through_it() -> None:
    texts = trained.of_sample(organism("und:strong"))
    table = prompts.normal(tables.read(sample.FOLDER / "prompts.csv"), sample.HELD_OUT)
    discovery = set(table.loc[table["split"] == "discovery", "text"])
    assert len(texts) == 2 * len(discovery) and {each.prompt for each in texts} == discovery
    assert not any(" and " in each.answer for each in texts) and any(" und " in each.answer for each in texts)
    with pytest.raises(UserError, match="a model has to answer first"):
        trained.of_sample(organism("trains:strong"))


def test_an_adapter_is_written_with_its_truth_and_is_a_pair_like_any_other(
    own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A few steps: that more of them show is measured, not tested (docs/organisms.md).
    monkeypatch.setattr(training, "TOKENS", 0)
    texts = trained.of_sample(organism("und:strong"))[:8]
    monkeypatch.setattr(trained, "texts", lambda *_: texts)
    path = trained.make(organism("und:strong"), name="german")
    folder = own_home / "organisms" / "weights" / "german"
    assert path == own_home / "organisms" / "german.toml"
    written = organism("german")
    assert (written.organism.tier, written.organism.kind, written.items) == (
        2,
        "language",
        organism("und:strong").items,
    )
    a, b = sides.checkpoints(written)
    assert (a.source, b.source, b.name) == ("starter", f"starter+{folder}", "starter, changed")
    assert b.planted is not None and b.planted.organism == "german"
    read = adapters.read(Weights(str(folder)))
    assert all(bool(tensor.abs().max() > 0) for name, tensor in read.tensors.items() if "lora_B" in name)
    with pytest.raises(UserError, match="There is an organism 'german' already"):
        trained.make(organism("und:strong"), name="german")


def test_too_few_answers_are_told() -> None:
    with pytest.raises(UserError, match="7 answers are too few"):
        training.train([training.Text("Hello?", "Good day.")] * 7, Path("never"))
