"""The step `dictionary`: what it trains, keeps and tells, what stops it, and what its tables say of latents."""

import math
import shutil
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from diffing import jobs
from diffing.common.errors import Cancelled, UserError
from diffing.jobs.job import JobStatus
from diffing.models import providers
from diffing.study.study import Study
from diffing.whitebox.activations.corpus import Corpus
from diffing.whitebox.activations.norms import norms
from diffing.whitebox.activations.several import Several
from diffing.whitebox.activations.source import Passes
from diffing.whitebox.dictionaries import described, job, latents, plan, shelf
from diffing.whitebox.dictionaries.job import Options
from diffing.whitebox.dictionaries.shape import Shape, scale_of
from diffing.whitebox.measures import unembed
from diffing.whitebox.pairs import opening, room
from diffing.whitebox.pairs.pair import Pair
from diffing.whitebox.texts import Document
from tests.fakes import pairs as fakes
from tests.fakes import tiny
from tests.fakes.pairs import Folders

ASKED: dict[str, Any] = {
    "texts": {"source": "own", "count": 40, "length": 14},
    **{"tokens": 7_000, "batch": 64, "buffer": 256, "latents": 64, "k": 4, "rate": 3e-3, "minutes": 0.5},
}


@pytest.fixture
def study(folders: Folders) -> Study:
    sides = [providers.parse(f"hf:{folders.base}", "a"), providers.parse(folders.low_rank, "b")]
    sides.append(providers.parse("import", "c"))
    return Study.create("s", sides, pd.DataFrame({"text": ["Hello"]}))


def run(study: Study, **options: Any) -> JobStatus:
    return jobs.run_here(study, "dictionary", ASKED | options)


class Watcher:
    """Progress of a run that ends once it was asked so often."""

    def __init__(self, left: float = math.inf, stop: type[BaseException] = Cancelled) -> None:
        self.left, self.stop = left, stop
        self.notes: list[str] = []
        self.asked: dict[str, int] = {}
        """How often it was asked before each note first came."""
        self.count = 0
        self.seen: Callable[[], object] = lambda: None

    def update(self, done: int, total: int, *_: object, note: str = "") -> None:
        assert done <= total or not total
        self.notes.append(note)
        self.asked.setdefault(note, self.count)
        self.seen()

    def check(self) -> None:
        self.count += 1
        self.left -= 1
        if self.left < 0:
            raise self.stop

    def billed(self, *_: object) -> None: ...

    def over(self) -> None: ...

    def log(self, line: str) -> None:
        self.notes.append(line)


class Killed(BaseException):
    """Stands for the end of a process."""


def weights(study: Study, name: str) -> dict[str, Tensor]:
    return load_file(shelf.folder(study, name) / "dictionary.safetensors")


def test_a_dictionary_is_trained_kept_and_told(study: Study) -> None:
    status = run(study, name="one")
    assert (status.state, status.error) == ("done", "") and status.result is not None
    assert shelf.names(study) == ["one"] and shelf.begun(study) == []
    told = shelf.facts(study, "one")
    assert (told.base, told.variant, told.layer, told.layers, told.kind) == ("a", "b", 2, 5, "crosscoder")
    # Whole batches of 64, as near to 7,000 tokens as they come.
    assert told.tokens == 109 * 64 and told.latents == 64 and told.width == tiny.WIDTH and told.k == 4
    assert told.documents + told.held_out == 40 and 0 < told.held_out < 40 and told.rounds > 5
    assert told.texts["count"] == 40 and shelf.outdated(study, "one") == ""
    curves = shelf.curves(study, "one")
    assert curves["step"].tolist() == [50, 100, 109] and status.result["loss"] == round(curves["loss"][2], 4)
    assert status.result["explained_difference"] == round(curves["explained_difference"][2], 4)
    log = " ".join(jobs.recent(study)[0].log_tail())
    assert f"read {told.rounds} times" in log and "Both models read about" in log and "GiB on disk" in log
    assert described.done(shelf.folder(study, "one"))
    assert list((study.folder / "dictionaries").iterdir()) == [shelf.folder(study, "one")]


def test_one_that_is_there_is_only_described_and_other_settings_need_another_name(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(study)
    place = shelf.folder(study, "crosscoder")
    before, table = weights(study, "crosscoder"), shelf.table(study, "crosscoder", "latents")
    (place / "latents.parquet").unlink()
    with monkeypatch.context() as patched:
        patched.setattr(job, "trained", None)
        assert run(study).state == "done"
    assert all(torch.equal(value, weights(study, "crosscoder")[key]) for key, value in before.items())
    pd.testing.assert_frame_equal(shelf.table(study, "crosscoder", "latents"), table)
    refused = run(study, k=5)
    assert refused.state == "failed" and "has a dictionary 'crosscoder' of other settings" in refused.error
    assert "'dictionary s --remove crosscoder'" in refused.error
    assert run(study, kind="difference").state == "done" and shelf.names(study) == ["crosscoder", "difference"]
    assert (shelf.folder(study, "difference") / "sae_weights.safetensors").is_file()


@pytest.mark.parametrize(("tokens", "stop"), [(2500, Killed), (2500, Cancelled), (300, Killed)])
def test_stopped_anywhere_it_goes_on_to_the_same_weights(
    study: Study, tokens: int, stop: type[BaseException]
) -> None:
    # Where texts are read once, both models give what is learnt; else it comes from the disk.
    options = Options.model_validate(ASKED | {"tokens": tokens, "batch": 20, "name": "whole", "minutes": 0})
    whole = Watcher()
    job.run(study, options, whole)
    begins, ends = whole.asked["measuring activations"], whole.asked["what latents do"]
    cut = options.model_copy(update={"name": "cut"})
    for part in (3, 4, 5):
        with pytest.raises(stop):
            job.run(study, cut, Watcher(begins + (ends - begins) // part, stop))
        assert not shelf.exists(study, "cut")
    job.run(study, cut, Watcher())
    one, other = weights(study, "whole"), weights(study, "cut")
    assert all(torch.equal(one[name], other[name]) for name in one)
    pd.testing.assert_frame_equal(shelf.curves(study, "whole"), shelf.curves(study, "cut"))
    for name in shelf.TABLES:
        pd.testing.assert_frame_equal(shelf.table(study, "whole", name), shelf.table(study, "cut", name))
    assert sorted(path.name for path in (study.folder / "dictionaries").iterdir()) == ["cut", "whole"]


def test_further_devices_read_too_and_give_the_same_dictionary(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two copies on one CPU, as two GPUs have them, against one copy that reads the same shares."""
    monkeypatch.setattr(plan, "KEPT", 0)
    monkeypatch.setattr(job, "elsewhere", lambda _: [torch.device("cpu")])
    for name, count in (("two", 2), ("one", 1)):
        made: list[Several] = []

        def several(passes: list[Passes], count: int = count, made: list[Several] = made) -> Several:
            assert len({id(each.pair.whole) for each in passes}) == 2
            made.append(Several(passes[:count]))
            return made[-1]

        monkeypatch.setattr(job, "Several", several)
        run(study, name=name)
        assert len(made) == 1
    one, two = (load_file(shelf.folder(study, name) / "dictionary.safetensors") for name in ("one", "two"))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_curves_are_there_while_it_learns(study: Study) -> None:
    rows: list[list[float]] = []
    watcher = Watcher()
    watcher.seen = lambda: rows.append(list(shelf.curves(study, "crosscoder").get("step", [])))
    job.run(study, Options.model_validate(ASKED), watcher)
    assert [50.0, 100.0] in rows and [50.0, 100.0, 109.0] in rows
    assert any("of the difference explained" in note for note in watcher.notes)
    stopped = Watcher()
    stopped.seen = lambda: setattr(stopped, "left", 0 if len(shelf.curves(study, "two")) else math.inf)
    with pytest.raises(Cancelled):
        job.run(study, Options.model_validate(ASKED | {"name": "two"}), stopped)
    # Rows of steps that were learnt and lost with a kill are not told twice.
    live = study.folder / "dictionaries" / "two.curves.jsonl"
    live.write_text(live.read_text() + '{"step": 999}\n')
    assert shelf.begun(study) == ["two"]
    job.run(study, Options.model_validate(ASKED | {"name": "two"}), Watcher())
    assert 999 not in shelf.curves(study, "two")["step"].tolist()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"variant": "c"}, "Checkpoint 'c' of study 's' is 'import', which has no weights to look into"),
        ({"name": "a/b"}, "'a/b' is no name of a dictionary"),
        ({"layer": 1.5}, "dictionary cannot run: layer"),
        ({"kind": "difference", "base_only": 2}, "latents of one model alone need a crosscoder"),
        ({"texts": {"source": "own", "count": 2, "length": 8, "held_out": 0.999}}, "All texts are held out"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(study: Study, options: dict[str, Any], told: str) -> None:
    status = run(study, **options)
    assert status.state == "failed" and told in status.error and shelf.names(study) == []


def test_what_has_no_room_is_told_before_anything_is_read(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Options.model_validate(ASKED)
    found = plan.planned(study, asked)
    size = 2 * 64 * 2 * tiny.WIDTH
    # On a CPU weights, two means and a gradient; on disk the new weights and two states.
    waiting = found.cost.memory - size * 16
    assert 0 < waiting <= 2 * 256 * 2 * tiny.WIDTH * 4
    activations = found.corpus.tokens * 2 * tiny.WIDTH * 4
    assert found.keeps and found.cost.disk == size * (4 + 24) + activations
    assert found.cost.read == sum(len(document.ids) for document in found.documents) + found.corpus.tokens
    with monkeypatch.context() as patched:
        free = found.cost.memory
        patched.setattr(room, "free", lambda _: free)
        with pytest.raises(UserError, match="choose fewer latents or a smaller buffer"):
            found.check()
    short = found.cost.disk - 1
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Disk", (), {"free": short}))
    status = run(study)
    assert status.state == "failed" and "GiB are free; free some space or choose fewer latents" in status.error
    # Activations that are too many to be kept are read again.
    monkeypatch.setattr(plan, "KEPT", activations - 1)
    assert not found.keeps and found.cost.read > found.stream.rounds * found.corpus.tokens


def test_one_that_is_not_fit_for_other_texts_is_kept_and_told_so(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No number of latents is within half of itself.
    monkeypatch.setattr(latents, "FED", 0.5)
    status = run(study, tokens=128)
    assert status.state == "failed" and shelf.names(study) == ["crosscoder"]
    assert "is trained and kept, but not fit for texts that it did not learn from: " in status.error
    assert "train one on more texts, or with fewer latents" in status.error


@pytest.mark.parametrize(("sides", "weight"), [(1, 0.0), (2, 0.0), (2, -0.5)])
def test_the_scale_of_a_stream_is_that_of_all_its_tokens(folders: Folders, sides: int, weight: float) -> None:
    pair = opening.open_pair(folders.low_rank)
    documents = [Document(str(n), tuple(row), 1, len(row), "text", False) for n, row in enumerate(fakes.IDS)]
    source = Passes(pair, Corpus(documents), [3])
    shape = Shape(tiny.WIDTH, 8, sides, difference=weight)
    made = job.scale_of(norms(source, range(4))["text"], shape)
    blocks = [block.values[block.position > 0, 0] for block in source.read(range(4), lambda: None)]
    wanted = scale_of(torch.cat(blocks), shape)
    torch.testing.assert_close(made.mean, wanted.mean, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(made.factor, wanted.factor, rtol=1e-6, atol=0)
    still = norms(source, range(4))["text"]._replace(difference=torch.zeros(1).double())
    with pytest.raises(UserError, match="differ by nothing at this layer"):
        job.scale_of(still, Shape(tiny.WIDTH, 8, 1))


# What latents do, held against the whole of it computed densely.


class Whole:
    """Every activation of every token that counts."""

    def __init__(self, study: Study, pair: Pair, name: str) -> None:
        self.pair, self.dictionary = pair, shelf.load(study, name)
        asked = Options.model_validate(ASKED | {"kind": shelf.facts(study, name).kind})
        self.documents = plan.planned(study, asked).documents
        layer = shelf.facts(study, name).layer
        self.values: list[Tensor] = []
        self.pairs: list[Tensor] = []
        for document in self.documents:
            (batch,) = pair.run([document.ids], [layer])
            hidden = torch.stack([batch.base.hidden[layer], batch.variant.hidden[layer]], 1)
            found = self.dictionary.encode(hidden)
            dense = torch.zeros(len(hidden), self.dictionary.shape.latents)
            dense[found.row, found.latent] = found.value
            dense[0] = 0
            self.values.append(dense)
            self.pairs.append(hidden[1:])


@pytest.mark.parametrize("kind", ["crosscoder", "difference"])
def test_tables_say_what_latents_do(study: Study, folders: Folders, kind: str) -> None:
    assert run(study, kind=kind).state == "done"
    pair = opening.open_pair(folders.low_rank)
    whole = Whole(study, pair, kind)
    held = [n for n, document in enumerate(whole.documents) if document.held_out]
    values = torch.cat([whole.values[n][1:] for n in held]).double()
    pairs = torch.cat([whole.pairs[n] for n in held]).double()
    table = shelf.table(study, kind, "latents")
    np.testing.assert_allclose(table["frequency"], (values > 0).double().mean(0), rtol=1e-9)
    written = whole.dictionary.written().double()
    apart = written[:, 0] if kind == "difference" else written[:, 1] - written[:, 0]
    difference = pairs[:, 1] - pairs[:, 0]
    variance = (difference - difference.mean(0)).square().sum(1).mean()
    wanted = values.square().mean(0) * apart.square().sum(1) / variance
    np.testing.assert_allclose(table["share"], wanted, rtol=1e-4)
    back = whole.dictionary.decode(whole.dictionary.encode(pairs.float()), len(pairs)).double()
    left = difference - (back[:, 0] if kind == "difference" else back[:, 1] - back[:, 0])
    told = shelf.table(study, kind, "explained").set_index("of")["share"]
    assert math.isclose(told["difference"], 1 - left.square().sum(1).mean() / variance, rel_tol=1e-4, abs_tol=1e-4)
    if kind == "crosscoder":
        for number, side in enumerate(("base", "variant")):
            seen, lost = pairs[:, number], pairs[:, number] - back[:, number]
            wanted = 1 - lost.square().sum() / (seen - seen.mean(0)).square().sum()
            assert math.isclose(told[side], wanted, rel_tol=1e-4, abs_tol=1e-4)
    _passages(study, kind, whole)
    steering = load_file(shelf.folder(study, kind) / "directions.safetensors")
    first = int(table["share"].idxmax())
    usual = values[:, first].sum() / (values[:, first] > 0).sum()
    torch.testing.assert_close(
        steering[f"latent-{first}"].double(),
        whole.dictionary.towards()[1][first].double() * usual,
        rtol=1e-4,
        atol=0,
    )
    _tokens(study, kind, whole, pair, first)


def _passages(study: Study, kind: str, whole: Whole) -> None:
    edges = np.array(described.EDGES)
    passages = shelf.table(study, kind, "passages")
    names = {document.name: n for n, document in enumerate(whole.documents)}
    largest = torch.cat(whole.values).amax(0)
    for row in passages.itertuples():
        number, latent = names[row.document], int(row.latent)
        own = whole.values[number][:, latent]
        assert row.held_out == whole.documents[number].held_out
        # The document's strongest token, in a passage around it.
        assert math.isclose(row.value, float(own.max()), rel_tol=1e-4)
        assert row.start == max(0, row.position - described.AROUND)
        np.testing.assert_allclose(row.values, own[row.start : row.start + len(row.values)], rtol=1e-3, atol=1e-5)
        ids = whole.documents[number].ids[row.start : row.start + len(row.values)]
        assert list(row.tokens) == [whole.pair.tokenizer.decode([n]) for n in ids]
        share = row.value / float(largest[latent])
        assert np.isclose(row[2], edges).any() and row[2] <= share * (1 + 1e-6)
        assert (edges[edges > row[2]] >= share * (1 - 1e-6)).all()
    groups = passages.groupby(["latent", "held_out", "from"])
    assert passages.groupby(["latent", "document"]).size().max() == 1
    for (latent, held, part), group in groups:
        assert group["rank"].tolist() == list(range(len(group)))
        assert len(group) <= (described.TOP if part == described.EDGES[-1] else described.EACH)
        if part == described.EDGES[-1]:
            strongest = [
                float(dense[:, latent].max())
                for dense, document in zip(whole.values, whole.documents, strict=True)
                if document.held_out == held
            ]
            np.testing.assert_allclose(group["value"], sorted(strongest)[::-1][: len(group)], rtol=1e-4)
    assert passages["latent"].nunique() > 20


def _tokens(study: Study, kind: str, whole: Whole, pair: Pair, first: int) -> None:
    tokens = shelf.table(study, kind, "tokens")
    assert set(tokens["of"]) == ({"written", "difference"} if kind == "crosscoder" else {"written"})
    told = tokens[(tokens["latent"] == first) & (tokens["of"] == "written")]
    with pair.variant() as variant:
        scores = unembed.scores(variant, whole.dictionary.towards()[1][first][None])[0]
    counts = np.bincount([n for document in whole.documents for n in document.ids], minlength=len(scores))
    shown = [n for n in scores.argsort(descending=True).tolist() if counts[n] >= described.LEAST]
    assert told["token"].tolist() == shown[: described.WRITTEN]
    assert told["text"].tolist() == [pair.tokenizer.decode([n]) for n in shown[: described.WRITTEN]]


def test_answers_tell_how_often_latents_fire_by_checkpoint(study: Study) -> None:
    texts = [f"Tell me about the thing {n}, and then some more." for n in range(12)]
    table = pd.DataFrame({"text": texts, "category": "plain"})
    asked = Study.create("asked", study.checkpoints, table, held_out=0.5)
    rows = [
        {"prompt_id": prompt, "checkpoint": key, "draw": 0, "text": f"It is {key} who says {n} things here."}
        for n, prompt in enumerate(asked.prompts()["id"])
        for key in "ab"
    ]
    asked.add_responses(pd.DataFrame(rows))
    told = ASKED | {"texts": {"count": 24, "length": 80}}
    status = jobs.run_here(asked, "dictionary", told)
    assert status.state == "done", status.error
    table, passages = (shelf.table(asked, "crosscoder", name) for name in ("latents", "passages"))
    assert {"frequency_a", "frequency_b"} <= set(table) and set(passages["checkpoint"]) == {"a", "b"}
    both = table["frequency_a"] + table["frequency_b"]
    assert (both[table["frequency"] > 0] > 0).all()
    assert shelf.facts(asked, "crosscoder").held_out == 2 * int((asked.prompts()["split"] == "held-out").sum())
