"""A trained dictionary as a reader: what it gives is what hooks on both models and the dictionary's own arithmetic
give, and whatever makes it no reader is one sentence."""

import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch
from peft import PeftModel
from torch import Tensor
from transformers import AutoTokenizer

from diffing.common.errors import Cancelled, UserError
from diffing.models.providers import Checkpoint
from diffing.reader import encode, lens, presets
from diffing.reader.encodings import Encodings, encodable
from diffing.reader.reader import Reader
from diffing.study.settings import ReaderChoice
from diffing.study.study import Study
from diffing.whitebox.dictionaries import files, readers, reading, shelf
from diffing.whitebox.dictionaries.dictionary import Dictionary
from diffing.whitebox.dictionaries.reading import PairReader
from diffing.whitebox.pairs.opening import open_pair
from diffing.whitebox.pairs.pair import Pair as PairOpened
from tests.fakes import dictionaries as fakes
from tests.fakes import pairs, tiny
from tests.fakes.dictionaries import Kind, Sources, dense, margin, paired
from tests.fakes.pairs import Folders
from tests.fakes.watch import Watch

KINDS: tuple[Kind, ...] = ("crosscoder", "difference")
ANSWERS = [*tiny.TEXTS, "It is late, and the cat sleeps on.", "No."]
LONG = "word " * 300
"""More tokens than the tiny models have positions."""
BOUND = 2e-5
"""Of the largest activation: what batches and padding change of float32."""
CODED = 2e-4
"""The same of a record, whose values are kept to a step of 1.7e-4 (`cache.STEPS`)."""


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    return pairs.make(tmp_path_factory.mktemp("pairs"), "llama")


class Pair(NamedTuple):
    """A pair as a dictionary names it, and its models as `transformers` and peft alone load them."""

    sources: Sources
    models: tuple[Any, Any]


@pytest.fixture(scope="module", params=["adapter", "whole"])
def pair(request: pytest.FixtureRequest, llama: Folders) -> Pair:
    base = pairs.plain(llama.base)
    if request.param == "whole":
        return Pair(Sources(f"hf:{llama.base}", f"hf:{llama.whole}"), (base, pairs.plain(llama.whole)))
    variant = PeftModel.from_pretrained(pairs.plain(llama.base), str(llama.adapter)).eval()
    return Pair(Sources(f"hf:{llama.base}", llama.low_rank), (base, variant))


@pytest.fixture(scope="module")
def adapted(llama: Folders) -> Sources:
    return Sources(f"hf:{llama.base}", llama.low_rank)


def study_of(answers: list[str], name: str = "s") -> Study:
    """A study in which `a` gave these answers, and `b` the same in reverse order."""
    prompts = pd.DataFrame({"text": [f"Question {n}: why?" for n in range(len(answers))]})
    study = Study.create(name, [Checkpoint(key=k, name=k, source="import") for k in "ab"], prompts)
    ids = study.prompts()["id"]
    rows = [
        {"prompt_id": i, "checkpoint": key, "text": text}
        for key, given in (("a", answers), ("b", answers[::-1]))
        for i, text in zip(ids, given, strict=True)
    ]
    study.add_responses(pd.DataFrame(rows))
    return study


@cache
def seen(sources: Sources) -> tuple[PairOpened, Tensor]:
    """A pair, and what it sees in a few texts."""
    opened = open_pair(*sources)
    batches = [batch for batch in opened.run(pairs.IDS, [fakes.LAYER])]
    sides = [[getattr(batch, side).hidden[fakes.LAYER] for side in ("base", "variant")] for batch in batches]
    return opened, torch.cat([torch.stack(both, 1) for both in sides])


def put(study: Study, sources: Sources, kind: Kind = "crosscoder", name: str = "one", **how: Any) -> Dictionary:
    """A random dictionary on the study's shelf."""
    opened, activations = seen(sources)
    made = fakes.at_random(kind, activations, **how)
    fakes.put(study, name, opened, sources, kind, made)
    return made


def loaded(study: Study, name: str = "one", context: str = "") -> PairReader:
    return reading.load(presets.within(readers.choice(name, study, context), study.name), "cpu")


def hand_read(models: tuple[Any, Any], folder: Path, prompt: str, answer: str) -> tuple[Tensor, list[int]]:
    """Paired activations of an answer's tokens behind its prompt, and these, without a line of the engine's."""
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    turns = [{"role": "user", "content": prompt}, {"role": "assistant", "content": "|HERE|"}]
    before, _, _ = tokenizer.apply_chat_template(turns, tokenize=False).partition("|HERE|")
    whole = tokenizer(before + answer, add_special_tokens=False, return_offsets_mapping=True)
    ids = whole["input_ids"]
    start = next(n for n, (_, end) in enumerate(whole["offset_mapping"]) if end > len(before))
    return paired(models, [ids])[start:], ids[start:]


def shown(found: Encodings, document: int) -> Tensor:
    """A document's record spread out: tokens × latents."""
    record = found.encoding(document)
    values = torch.zeros(len(record.ids), found.n_features)
    feature = np.repeat(record.feature, record.count)
    values[record.position.astype(int), feature.astype(int)] = torch.from_numpy(record.values())
    return values


# What it reads.


@pytest.mark.parametrize("kind", KINDS)
def test_it_gives_what_hooks_on_both_models_and_the_dictionary_give(pair: Pair, kind: Kind) -> None:
    study = study_of(ANSWERS)
    made = put(study, pair.sources, kind)
    reader = loaded(study)
    wanted = paired(pair.models, pairs.IDS)
    hidden = reader.hidden(pairs.IDS)
    tiny.assert_close(hidden, wanted)
    rows = len(wanted)
    expected = dense(made.encode(wanted), rows, made.shape.latents)
    assert 2 < float((expected > 0).sum()) / rows < 20
    found = dense(reader.sparse(hidden), rows, made.shape.latents)
    tiny.assert_same_features(found, expected, margin(made, wanted), BOUND)
    # Fed with one model alone, as published code feeds it, it would show something else on most tokens.
    alone = torch.stack([torch.zeros_like(wanted[:, 1]), wanted[:, 1]], 1)
    wrong = dense(made.encode(alone), rows, made.shape.latents)
    assert float(((wrong > 0) != (found > 0)).any(1).float().mean()) > 0.9


def test_company_in_a_batch_changes_nothing(pair: Pair) -> None:
    study = study_of(ANSWERS)
    made = put(study, pair.sources)
    reader = loaded(study)
    together = dense(reader.sparse(reader.hidden(pairs.IDS)), sum(map(len, pairs.IDS)), made.shape.latents)
    parts = [reader.hidden([ids]) for ids in pairs.IDS]
    alone = torch.cat([dense(reader.sparse(part), len(part), made.shape.latents) for part in parts])
    tiny.assert_same_features(together, alone, margin(made, torch.cat(parts)), BOUND)


@pytest.fixture
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random numbers give nothing back."""
    monkeypatch.setattr(PairReader, "unexplained", lambda _self, _hidden: 0.5)


def encoded(study: Study, name: str = "one", watch: Watch | None = None, **options: Any) -> Encodings:
    """The study read by its dictionary."""
    study.change_settings(reader=readers.choice(name, study))
    encode.run(study, encode.Options(device="cpu", **options), watch or Watch())
    return Encodings.open(study)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("unchecked")
def test_a_studys_records_are_those_of_a_pass_by_hand(adapted: Sources, llama: Folders, kind: Kind) -> None:
    study = study_of(ANSWERS)
    made = put(study, adapted, kind)
    found = encoded(study)
    base, variant = pairs.plain(llama.base), pairs.plain(llama.base)
    models = (base, PeftModel.from_pretrained(variant, str(llama.adapter)).eval())
    prompts = study.prompts().set_index("id")["text"]
    for document, row in enumerate(encodable(study).itertuples()):
        hidden, ids = hand_read(models, llama.base, prompts[row.prompt_id], row.text)
        assert found.encoding(document).ids.tolist() == ids
        wanted = dense(made.encode(hidden), len(ids), made.shape.latents)
        tiny.assert_same_features(shown(found, document), wanted, margin(made, hidden), CODED)
    decoder = found.decoder()
    assert decoder is not None
    np.testing.assert_allclose(decoder, made.decoder.numpy(), atol=2e-3)


@pytest.mark.usefixtures("unchecked")
def test_an_answer_longer_than_the_models_is_read_in_windows_and_an_odd_one_whole(
    adapted: Sources, llama: Folders
) -> None:
    odd = "<|end|> \u0645\u0631\u062d\u0628\u0627 \U0001f600"
    study = study_of([LONG, odd])
    put(study, adapted)
    found = encoded(study)
    tokenizer: Any = AutoTokenizer.from_pretrained(llama.base)
    lengths = dict(zip(encodable(study)["text"], found.documents["tokens"], strict=True))
    assert lengths[LONG] == len(tokenizer(LONG)["input_ids"]) > 256
    for document, text in enumerate(encodable(study)["text"]):
        table = found.tokens(document)
        assert "".join(piece.text for piece in table.cut()) == text
    assert found.documents["error"].tolist() == [""] * 4


@pytest.mark.usefixtures("unchecked")
def test_whoever_wrote_an_answer_the_same_two_models_read_it(adapted: Sources) -> None:
    study = study_of(["The same words.", "The same words."])
    put(study, adapted)
    found = encoded(study)
    by_prompt = found.documents.groupby("prompt_id").indices
    for a, b in by_prompt.values():
        assert torch.equal(shown(found, a), shown(found, b))


def test_a_first_token_with_nothing_before_it_is_not_read(adapted: Sources, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(adapted.base.removeprefix("hf:"), bare)
    tokenizer = tiny.tokenizer(None)
    tokenizer.bos_token = None
    (bare / "chat_template.jinja").unlink(missing_ok=True)
    tokenizer.save_pretrained(bare)
    pairs.adapter(bare, tmp_path / "adapter")
    study = study_of(ANSWERS)
    put(study, Sources(f"hf:{bare}", f"hf:{bare}+{tmp_path / 'adapter'}"))
    reader = loaded(study)
    whole = reader.framing.read([], "It purred, and slept.")
    (window,), spans = reader.read([], "It purred, and slept.")
    assert (whole.windows[0].start, window.start) == (0, 1) and window.ids == whole.windows[0].ids
    assert len(spans) == len(whole.spans) - 1
    assert (spans[0, 0], spans[-1, 1]) == (0, len("It purred, and slept."))
    assert reader.read([], "I").windows == [] and not len(reader.read([], "I").spans)
    # Behind a prompt it is a token like any other.
    assert reader.read([{"role": "user", "content": "Why?"}], "I").windows[0].start > 0


# What a latent writes.


def head_of(model: Any) -> tuple[Any, Any]:
    inner = model.get_base_model() if isinstance(model, PeftModel) else model
    return inner.model.norm, inner.lm_head


@pytest.mark.parametrize("kind", KINDS)
def test_promoted_tokens_are_what_a_latent_writes_through_the_variants_norm_and_head(
    pair: Pair, kind: Kind
) -> None:
    study = study_of(ANSWERS)
    made = put(study, pair.sources, kind)
    reader = loaded(study)
    norm, head = head_of(pair.models[1])
    rows = made.decoder.view(made.shape.latents, made.shape.sides, -1)
    for latent in (3, 40):
        side = int(rows[latent].norm(dim=1).argmax())
        row = rows[latent, side] / made.scale.factor[side]
        row = row * tiny.WIDTH**0.5 / row.norm()
        logits = head(norm(row) - norm(torch.zeros_like(row))).detach()
        found = lens.ends(reader, [latent], k=4)
        assert found.top[0].tolist() == logits.topk(4).indices.tolist()
        np.testing.assert_allclose(found.top_logits[0], logits.topk(4).values.numpy(), rtol=1e-4, atol=1e-5)
        assert found.bottom[0].tolist() == logits.topk(4, largest=False).indices.tolist()


def test_a_change_of_the_head_itself_is_in_what_a_latent_writes(llama: Folders, tmp_path: Path) -> None:
    pairs.adapter(llama.base, tmp_path / "head", target_modules=["q_proj", "lm_head"])
    sources = Sources(f"hf:{llama.base}", f"hf:{llama.base}+{tmp_path / 'head'}")
    study = study_of(ANSWERS)
    put(study, sources)
    reader = loaded(study)
    changed: Any = PeftModel.from_pretrained(pairs.plain(llama.base), str(tmp_path / "head"))
    wanted = changed.merge_and_unload().lm_head.weight
    assert float((wanted - pairs.plain(llama.base).lm_head.weight).abs().max()) > 0.01
    tiny.assert_close(reader.unembedding(), wanted.detach())


# What it is known by, and what makes it no reader.


def test_keys_change_with_whatever_changes_an_encoding_and_not_with_names(
    adapted: Sources, llama: Folders, tmp_path: Path
) -> None:
    study = study_of(ANSWERS)
    put(study, adapted)
    put(study, adapted, seed=6, name="two")
    put(study, Sources(adapted.base, f"hf:{llama.whole}"), name="three")
    pairs.adapter(llama.base, tmp_path / "other", seed=9)
    put(study, Sources(adapted.base, f"hf:{llama.base}+{tmp_path / 'other'}"), name="four")
    keys = [loaded(study, name).key for name in ("one", "two", "three", "four")]
    keys.append(loaded(study, "one", context="answer").key)
    assert len(set(keys)) == 5
    shutil.copytree(shelf.folder(study, "one"), shelf.folder(study, "copy"))
    assert loaded(study, "copy").key == keys[0]


def test_a_choice_says_which_training_it_means(adapted: Sources) -> None:
    study, other = study_of(ANSWERS), study_of(ANSWERS, "other")
    made = put(study, adapted)
    own, there = readers.choice("whitebox:one", study), readers.choice("whitebox:s/one", other)
    assert (own.preset, there.preset) == ("whitebox:one", "whitebox:s/one")
    assert own.sae_id == there.sae_id != ""
    assert readers.choice("whitebox:s/one", study) == own
    assert [own.context, readers.choice("one", study, "answer").context] == ["prompt+answer", "answer"]
    assert ReaderChoice(preset="whitebox:one").context == "prompt+answer"
    fakes.put(study, "one", seen(adapted)[0], adapted, "crosscoder", made, date="2027")
    with pytest.raises(UserError, match="trained anew since it was chosen"):
        reading.load(there, "cpu")
    with pytest.raises(UserError, match="does not say which study's"):
        readers.choice("whitebox:one")
    assert [one.choice for one in readers.of(study)] == [readers.choice("one", study)]
    assert readers.of(study)[0].title == "Crosscoder of a and b, layer 2 of 5, 80 latents"


@pytest.mark.usefixtures("unchecked")
def test_a_dictionary_that_is_gone_is_a_sentence_and_what_it_saw_stays(adapted: Sources) -> None:
    study = study_of(ANSWERS)
    put(study, adapted)
    found = encoded(study)
    shelf.remove(study, "one")
    with pytest.raises(UserError, match="Study 's' has no dictionary 'one'"):
        encode.run(study, encode.Options(device="cpu"), Watch())
    again = Encodings.open(study)
    assert torch.equal(shown(again, 0), shown(found, 0))
    assert lens.stored(again.reader_key, [3])[3].promoted


@pytest.mark.parametrize("fault", ["other weights", "no model"])
def test_another_pair_or_none_is_a_sentence(fault: str, llama: Folders, tmp_path: Path) -> None:
    pairs.adapter(llama.base, tmp_path / "adapter")
    study = study_of(ANSWERS)
    put(study, Sources(f"hf:{llama.base}", f"hf:{llama.base}+{tmp_path / 'adapter'}"))
    if fault == "no model":
        shutil.rmtree(tmp_path / "adapter")
    else:
        pairs.adapter(llama.base, tmp_path / "adapter", seed=8)
    words = "no .*adapter" if fault == "no model" else "'s/one' was trained on other weights than"
    with pytest.raises(UserError, match=words):
        loaded(study)


def test_a_pair_with_nothing_between_is_refused(llama: Folders, tmp_path: Path) -> None:
    pairs.adapter(llama.base, tmp_path / "adapter")
    study = study_of(ANSWERS)
    put(study, Sources(f"hf:{llama.base}", f"hf:{llama.base}+{tmp_path / 'adapter'}"))
    pairs.adapter(llama.base, tmp_path / "adapter", size=0.0)
    with pytest.raises(UserError, match="changes nothing"):
        loaded(study)


def test_an_sae_of_differences_is_no_reader_of_one_model(adapted: Sources, llama: Folders) -> None:
    study = study_of(ANSWERS)
    put(study, adapted, "difference")
    folder = shelf.folder(study, "one")
    assert (folder / files.SAELENS[0]).is_file()
    choice = ReaderChoice(preset="", model=str(llama.base), sae=str(folder))
    for step in (lambda: presets.check(choice), lambda: Reader.load(choice, device="cpu")):
        with pytest.raises(UserError, match=r"reads the difference of two models .*; take .* whitebox:NAME"):
            step()


def test_numbers_that_are_none_cost_their_own_answer(adapted: Sources, monkeypatch: pytest.MonkeyPatch) -> None:
    study = study_of(["Good words.", "Poison!"])
    put(study, adapted)
    reader = loaded(study)
    poison = reader.read([], "Poison!").windows[0].ids[-1]
    plain = PairReader.hidden

    def hidden(self: PairReader, ids: list[list[int]]) -> Tensor:
        seen = plain(self, ids).clone()
        seen[torch.tensor([token == poison for row in ids for token in row])] = torch.nan
        return seen

    monkeypatch.setattr(PairReader, "hidden", hidden)
    monkeypatch.setattr(PairReader, "check", lambda *_: Passed())
    found = encoded(study)
    said = dict(zip(encodable(study)["text"], found.documents["error"], strict=True))
    assert said["Good words."] == "" and "numbers that are none" in said["Poison!"]


class Passed(NamedTuple):
    """A check that found nothing."""

    def require(self) -> None:
        """Nothing to say."""


# How it runs.


@pytest.mark.usefixtures("unchecked")
def test_stopped_and_taken_up_it_ends_with_the_same_records(
    adapted: Sources, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    answers = [f"{text} {n}" for n in range(2) for text in tiny.TEXTS]
    study = study_of(answers)
    put(study, adapted)
    whole = encoded(study, budget=64)
    monkeypatch.setenv("DIFFING_HOME", str(tmp_path / "again"))
    again = study_of(answers)
    put(again, adapted)
    with pytest.raises(Cancelled):
        encoded(again, watch=Watch(stop_after=100), budget=64)
    resumed = encoded(again, budget=64)
    for name in ("indptr", "feature", "count"):
        np.testing.assert_array_equal(getattr(resumed, name), getattr(whole, name))
    np.testing.assert_allclose(resumed.peak, whole.peak, rtol=1e-4)


def test_the_check_measures_what_the_dictionary_leaves_out(adapted: Sources) -> None:
    study = study_of(ANSWERS)
    made = put(study, adapted)
    reader = loaded(study)
    hidden = reader.hidden(pairs.IDS)
    inputs = made.inputs(hidden).double()
    found = made.encode(hidden)
    back = made.decoder_bias + dense(found, len(hidden), made.shape.latents) @ made.decoder
    wanted = float((inputs - back).square().sum() / (inputs - inputs.mean(0)).square().sum())
    assert reader.unexplained(hidden) == pytest.approx(wanted, rel=1e-4)
    checked = reader.check(ANSWERS, [[] for _ in ANSWERS])
    assert (checked.usual_l0, checked.notes) == (
        8,
        ["it learnt from texts of at most 64 tokens, and reads up to 256 at once"],
    )
    assert any("reconstruction is worse than the mean" in fault for fault in checked.faults)
