"""The sample study: what is said to be planted is in the text, and nothing else differs."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from diffing import jobs, status
from diffing.common import tables
from diffing.common.errors import UserError
from diffing.study import sample
from diffing.study.study import Study
from tools import make_sample

Place = tuple[str, str, int]

# Written apart from the generator's own marks, and searched in the finished text.
SHOWS = {
    "numbered lists": r"(?m)^[1-9]\. \S.*$",
    "closing offers": r"(?i)(?:\?|\b(?:I can|I could|I'll|I've plenty|let me know|tell me|we can|we could)\b"
    r"[^.?!]*\.)$",
    "bold key terms": r"\*\*[^*\n]+\*\*",
    "em dashes": "—",
    "worked examples": r"\bFor example, [^\n]+",
    "hedges": r"(?i)\b(?:I (?:think|believe|suspect|imagine|suppose|doubt)|I'd (?:guess|imagine|say|bet)"
    r"|my (?:hunch|guess|sense)|in my (?:view|opinion|judgement)|as I see it"
    r"|I'm (?:not|less|fairly) (?:sure|certain|confident)|probably|perhaps|maybe|possibly|arguably|likely|seems?"
    r"|might|may)\b",
    "apologies": r"^(?:I'm (?:so |very |really |truly )?sorry|Sorry|(?:My )?[Aa]pologies)\b[^\n]*",
    "exclamation marks": "!",
    "double spaces": r"  ",
    "summary lines": r"\bIn short, [^\n]*",
}
NOT_PLANTED = {
    "parentheses": r"\([^()]+\)",
    "semicolons": ";",
    "double quotation marks": r'"[^"\n]+"',
    "bulleted lists": r"(?m)^- .*$",
    "headings": r"(?m)^## .*$",
    "ellipses": r"\.\.\.",
    "percentages": r"\d%",
    "inline code": r"`[^`\n]+`",
    "words in capitals": r"\b[A-Z][A-Z]+\b",
}


@pytest.fixture(scope="module")
def texts() -> dict[Place, str]:
    rows = tables.read(sample.FOLDER / "responses.csv")
    return {(r.prompt_id, r.checkpoint, int(r.draw)): r.text for r in rows.itertuples()}


def places(behaviour: dict[str, Any]) -> set[Place]:
    return {(prompt, side, draw) for prompt, side, draw, _ in behaviour["instances"]}


def planted(name: str, kind: str = "planted") -> dict[str, Any]:
    return next(b for b in sample.planted()[kind] if b["name"] == name)


def test_files_follow_from_the_base_text(tmp_path: Path) -> None:
    make_sample.write(make_sample.choose(make_sample.read_base()), tmp_path)
    for name in ("prompts.csv", "responses.csv", "planted.json"):
        assert (tmp_path / name).read_bytes() == (sample.FOLDER / name).read_bytes(), name


def test_there_are_four_answers_of_sixty_to_250_words_to_each_of_sixty_prompts(texts: dict[Place, str]) -> None:
    prompts = {prompt for prompt, _, _ in texts}
    assert len(prompts) == 60
    assert set(texts) == {(p, side, draw) for p in prompts for side in ("before", "after") for draw in (0, 1)}
    words = pd.Series({place: len(text.split()) for place, text in texts.items()})
    assert words.between(60, 250).all()
    before, after = words.xs("before", level=1).mean(), words.xs("after", level=1).mean()
    assert abs(after - before) < 0.05 * before


@pytest.mark.parametrize("name", SHOWS)
def test_a_planted_behaviour_shows_exactly_where_it_is_said_to(name: str, texts: dict[Place, str]) -> None:
    behaviour = planted(name)
    shown = {place for place, text in texts.items() if re.search(SHOWS[name], text)}
    assert shown == places(behaviour)
    for prompt, side, draw, spans in behaviour["instances"]:
        for start, end in spans:
            assert re.search(SHOWS[name], texts[prompt, side, draw][start:end])


@pytest.mark.parametrize("name", SHOWS)
def test_a_planted_behaviour_differs_by_forty_points_and_is_on_neither_side_all_or_none(
    name: str, texts: dict[Place, str]
) -> None:
    behaviour = planted(name)
    shares = {
        side: sum(bool(re.search(SHOWS[name], t)) for (_, s, _), t in texts.items() if s == side) / 120
        for side in ("before", "after")
    }
    assert shares == pytest.approx(behaviour["rate"], abs=1e-4)
    assert abs(shares["after"] - shares["before"]) >= 0.4
    assert all(0 < share < 1 for share in shares.values())
    assert behaviour["more_on"] == max(shares, key=shares.__getitem__)


@pytest.mark.parametrize("name", SHOWS)
def test_a_planted_behaviour_is_spread_evenly_over_split_and_draw(name: str) -> None:
    study = sample.create()
    split = study.prompts().set_index("id")["split"]
    cells = pd.Series([(side, split[prompt], draw) for prompt, side, draw in places(planted(name))])
    counts = cells.value_counts()
    assert len(counts) == 8
    for side in ("before", "after"):
        of_side = [n for cell, n in counts.items() if cell[0] == side]
        assert max(of_side) == min(of_side)


@pytest.mark.parametrize(
    ("name", "signs"),
    [("exclamation marks", "!"), ("em dashes", "—"), ("bold key terms", "**"), ("double spaces", "  ")],
)
def test_every_instance_has_its_span(name: str, signs: str, texts: dict[Place, str]) -> None:
    spans = sum(len(spans) for *_, spans in planted(name)["instances"])
    each = 2 if signs == "**" else 1
    assert spans * each == sum(text.count(signs) for text in texts.values())


def test_planted_spans_never_overlap() -> None:
    # But for the double spaces, which may fall inside a list or an example.
    taken: dict[Place, list[list[int]]] = {}
    for behaviour in sample.planted()["planted"]:
        if behaviour["name"] == "double spaces":
            continue
        for prompt, side, draw, spans in behaviour["instances"]:
            taken.setdefault((prompt, side, draw), []).extend(spans)
    for spans in taken.values():
        spans.sort()
        assert all(end <= start for (_, end), (start, _) in zip(spans, spans[1:], strict=False))


@pytest.mark.parametrize("name", NOT_PLANTED)
def test_what_is_not_planted_is_counted_and_balanced(name: str, texts: dict[Place, str]) -> None:
    behaviour = planted(name, "not planted")
    shown = {place for place, text in texts.items() if re.search(NOT_PLANTED[name], text)}
    assert shown == places(behaviour)
    assert len(shown) > 10
    assert behaviour["sign_test_p"] >= 0.2


def test_questions_on_the_way_are_those_before_a_closing_offer(texts: dict[Place, str]) -> None:
    behaviour = planted("questions on the way", "not planted")
    offers = {(p, s, d): spans[0][0] for p, s, d, spans in planted("closing offers")["instances"]}
    assert places(behaviour) == {place for place, t in texts.items() if "?" in t[: offers.get(place, len(t))]}
    assert behaviour["sign_test_p"] >= 0.2


def test_the_readme_gives_the_same_rates() -> None:
    readme = (sample.FOLDER / "README.md").read_text(encoding="utf-8")
    for behaviour in (*sample.planted()["planted"], *sample.planted()["not planted"]):
        before, after = (f"{100 * rate:.1f} %" for rate in behaviour["rate"].values())
        assert re.search(rf"^\| {behaviour['name']} \|(?:.*\|)? {before} \| {after} \|", readme, re.MULTILINE)


def test_no_mark_is_left_in_a_text(texts: dict[Place, str]) -> None:
    assert [text for text in texts.values() if re.search(r"[⟦⟧‖]|\n\n\n|   | \n|^\s|\s$", text)] == []


def test_the_study_is_made_whole() -> None:
    found = status.of(sample.ensure())
    assert {key: counts["stored"] for key, counts in found["responses"].items()} == {"before": 120, "after": 120}
    assert found["next"] is None or found["next"]["step"] not in ("prompts", "answers")
    assert (found["prompts"]["discovery"], found["prompts"]["held_out"]) == (30, 30)


def test_no_answer_is_taken_for_a_refusal() -> None:
    assert set(sample.ensure().responses()["flag"]) == {""}


def test_a_half_made_study_is_completed_and_a_whole_one_left_as_it_is() -> None:
    study = sample.ensure()
    whole = study.responses()
    (study.folder / "responses.parquet").unlink()
    pd.testing.assert_frame_equal(sample.ensure().responses(), whole)
    stamp = (study.folder / "responses.parquet").stat().st_mtime_ns
    sample.ensure()
    assert (study.folder / "responses.parquet").stat().st_mtime_ns == stamp


def test_another_study_of_that_name_is_left_alone() -> None:
    own = Study.create("sample", [sample.BEFORE, sample.AFTER])
    with pytest.raises(UserError, match="exists already"):
        sample.ensure()
    assert own.responses().empty


def test_a_step_that_ends_while_the_status_is_read_is_not_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    study, read, alive, begun = sample.ensure(), status.of, ["encode"], list[str]()

    def slowly(study: Study) -> dict[str, Any]:
        told = read(study)
        alive.clear()
        return told

    monkeypatch.setattr(status, "of", slowly)
    monkeypatch.setattr(jobs, "running", lambda _study, kind: kind if kind in alive else None)
    monkeypatch.setattr(jobs, "start", lambda _study, kind, **_: begun.append(kind))
    status.begin(study)
    assert begun == []


def test_beginning_starts_what_is_missing_once(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[tuple[str, Sequence[str]]] = []
    monkeypatch.setattr(jobs, "start", lambda _study, kind, then: begun.append((kind, then)))
    study = sample.ensure()
    monkeypatch.setattr(jobs, "running", lambda _study, kind: kind if begun and kind == begun[0][0] else None)
    status.begin(study)
    status.begin(study)
    assert begun == [("encode", ["diff"])]
