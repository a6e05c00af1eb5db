"""Documents: from a study, files, data sets and the base itself; what of them counts, and which are held out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from diffing.common import hub
from diffing.common.errors import UserError
from diffing.models import weights, whole
from diffing.models.providers import parse
from diffing.models.whole import Whole
from diffing.study import prompts as prompt_table
from diffing.study import responses
from diffing.study.study import Study
from diffing.whitebox import texts
from diffing.whitebox.pairs.opening import open_pair
from diffing.whitebox.texts import Choice, Document
from tests.fakes import tiny


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    folder = tmp_path_factory.mktemp("texts") / "llama"
    tiny.model(folder, tiny.configs()["llama"])
    return whole.load(weights.find(str(folder)), torch.device("cpu"), torch.float32)


def gathered(source: str, base: Whole, study: Study | None = None, **options: Any) -> list[Document]:
    return texts.gather(Choice(source=source, **options), tiny.tokenizer(), base, "base", study)


def spelled(document: Document) -> str:
    return read(document.ids[document.start : document.stop])


def read(ids: Sequence[int]) -> str:
    return str(tiny.tokenizer().decode(list(ids)))


def test_paragraphs_of_a_text_file_and_lines_of_a_jsonl_file_are_documents(base: Whole, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("The cat sat.\n\n  \n\nIt purred,\nand slept.")
    (tmp_path / "b.jsonl").write_text('{"text": "The cat sat."}\n\n"It purred,\\nand slept."\n{"text": ""}\n')
    for name in ("a.txt", "b.jsonl"):
        found = gathered(str(tmp_path / name), base)
        assert [spelled(document) for document in found] == ["The cat sat.", "It purred,\nand slept."]
        # The token that begins every text stands before it and does not count.
        assert all(document.ids[0] == 0 and document.start == 1 for document in found)
        assert all(document.stop == len(document.ids) and document.kind == "text" for document in found)


def test_a_text_is_cut_at_the_length_and_special_tokens_in_it_are_plain_text(base: Whole, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("<|end|> and <|begin|>\n\n" + "cat " * 99)
    first, second = gathered(str(tmp_path / "a.txt"), base, length=20)
    assert 1 not in first.ids and 0 not in first.ids[1:] and len(second.ids) == 20


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("a.csv", b"x", "is no .txt or .jsonl file"),
        ("a.txt", b"\xff\xfe", "is not UTF-8"),
        ("a.txt", b"One paragraph.", "holds 1 texts that can be read, two are the least"),
        ("a.jsonl", b'{"text": "x"}\n{', "Line 2 of 'a.jsonl' is no JSON"),
        ("a.jsonl", b'{"answer": "x"}', "Line 1 of 'a.jsonl' has no 'text'"),
    ],
)
def test_a_file_that_is_no_texts_is_refused(
    name: str, content: bytes, fault: str, base: Whole, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=fault):
        gathered(str(tmp_path / name), base)
    with pytest.raises(UserError, match="There is no text file"):
        gathered(str(tmp_path / "nowhere.txt"), base)


def test_a_data_set_is_read_from_its_parquet_files(
    base: Whole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []

    def stand_in(repo: str, **how: Any) -> str:
        asked.append({"repo": repo} | how)
        return str(tmp_path)

    monkeypatch.setattr(hub, "snapshot_download", stand_in)
    with pytest.raises(UserError, match="has no Parquet files"):
        gathered("hf:org/set", base)
    (tmp_path / "data").mkdir()
    parts: list[list[str | None]] = [["one cat", None, "two cats"], ["three cats"]]
    for n, part in enumerate(parts):
        pd.DataFrame({"text": part, "body": ["x"] * len(part)}).to_parquet(tmp_path / "data" / f"{n}.parquet")
    assert [spelled(d) for d in gathered("hf:org/set", base)] == ["one cat", "two cats", "three cats"]
    assert asked[-1] == {"repo": "org/set", "repo_type": "dataset", "allow_patterns": "*.parquet"}
    assert len(gathered("hf:org/set", base, count=2)) == 2
    assert {spelled(d) for d in gathered("hf:org/set#body", base)} == {"x"}
    with pytest.raises(UserError, match="has no column 'answer'; name one after '#': text, body"):
        gathered("hf:org/set#answer", base)


@pytest.fixture
def study() -> Study:
    made = Study.create("s", [parse("import", "a"), parse("import", "b")])
    table = prompt_table.normal(pd.DataFrame({"text": [f"Say {n}" for n in range(20)]}), 0.3)
    made.add_prompts(table)
    rows = [
        {"prompt_id": row, "checkpoint": key, "draw": 0, "text": f"{key} says {n}", "finish_reason": "stop"}
        for n, row in enumerate(table["id"])
        for key in "ab"
    ]
    rows[0]["text"] = ""
    rows[1]["error"] = "refused"
    made.add_responses(responses.normal(pd.DataFrame(rows)))
    return made


def test_a_studys_answers_stand_behind_their_prompts_and_keep_their_split(base: Whole, study: Study) -> None:
    found = gathered("study", base, study)
    table = study.prompts()
    split = dict(zip(table["id"], table["split"], strict=True))
    # Without the one that is empty and the one that failed.
    assert len(found) == 38 and 5 < sum(d.held_out for d in found) < 33
    for document in found:
        prompt, key = document.name.split()
        assert document.held_out == (split[prompt] == "held-out") and document.kind == "answer"
        assert spelled(document).startswith(f"{key} says")
        before = read(document.ids[: document.start])
        assert before.startswith("<|begin|><|start|>user\nSay") and before.endswith("assistant\n")


def test_without_a_study_or_a_file_the_base_writes_its_own_text(base: Whole, study: Study) -> None:
    found = gathered("auto", base, count=30, length=12)
    assert all(d.kind == "own" and d.ids[0] == 0 and len(d.ids) <= 12 for d in found)
    assert len(found) >= 25 and 0 < sum(d.held_out for d in found) < len(found)
    assert gathered("auto", base, study)[0].kind == "answer"
    other = gathered("auto", base, count=30, length=12, seed=1)
    assert {d.ids for d in found} != {d.ids for d in other}
    with pytest.raises(UserError, match="There is no study to take texts from"):
        gathered("study", base)


def test_a_models_own_marks_of_turns_do_not_count() -> None:
    special = {0, 1, 3, 4}
    assert texts.between([0, 3, 7, 8, 1], special) == (2, 4)
    assert texts.between([0, 7, 8], special) == (1, 3)
    assert texts.between([0, 4, 7, 1, 4, 9], special) == (2, 3)
    # Marks alone are no text.
    assert texts.between([0, 3, 1], special) == (3, 3) and texts.between([0], special) == (1, 1)


def test_of_the_starters_own_texts_no_special_token_counts() -> None:
    pair = open_pair("starter", "starter+fact")
    found = texts.own(texts.Choice(count=16, length=16), pair.tokenizer, pair.whole, pair.identity)
    special = set(pair.tokenizer.all_special_ids)
    assert len(found) > 8 and any(d.start > 1 for d in found)
    assert not any(special & set(d.ids[d.start :]) for d in found) and all(d.stop == len(d.ids) for d in found)
    # As they were drawn, for a base that is tuned on them and is to learn nothing: not to end none either.
    drawn = texts.own(
        texts.Choice(count=16, length=16), pair.tokenizer, pair.whole, pair.identity, whole_texts=True
    )
    assert len(drawn) == 16 and {d.start for d in drawn} == {1} and all(d.stop == len(d.ids) for d in drawn)
    assert any(special & set(d.ids[1:]) for d in drawn)


def test_samples_follow_the_models_own_distribution(base: Whole) -> None:
    rows = texts.sampled(base, [[0, 7]], 4000, 3, seed=2)
    with torch.inference_mode():
        says = base.causal(torch.tensor([[0, 7]])).logits[0, -1].softmax(-1).double()
    seen = torch.bincount(torch.tensor([row[2] for row in rows]), minlength=tiny.VOCABULARY)
    # Pearson's statistic over tokens expected at least five times and all others together.
    often = says * 4000 >= 5
    expected = torch.cat([says[often], says[~often].sum()[None]]) * 4000
    counts = torch.cat([seen[often], seen[~often].sum()[None]]).double()
    statistic = float(((counts - expected) ** 2 / expected).sum())
    freedom = len(expected) - 1
    # Five standard deviations of a chi-squared variable.
    assert abs(statistic - freedom) < 5 * (2 * freedom) ** 0.5


def test_a_text_ends_with_its_end_token(base: Whole) -> None:
    rows = texts.sampled(base, [[0]], 200, 24, seed=0)
    assert all(1 not in row[:-1] for row in rows) and any(row[-1] == 1 for row in rows)
    assert all(row[-1] == 1 or len(row) == 24 for row in rows)


def test_what_is_held_out_hangs_on_the_words_alone(base: Whole, tmp_path: Path) -> None:
    words = [f"text {n}" for n in range(200)]
    (tmp_path / "a.txt").write_text("\n\n".join(words))
    (tmp_path / "b.txt").write_text("\n\n".join(reversed(words)))
    one, other = ({spelled(d): d.held_out for d in gathered(str(tmp_path / f), base)} for f in ("a.txt", "b.txt"))
    assert one == other and 35 < sum(one.values()) < 85
