"""Names of behaviours: asked for where nothing counted has words, shown with an author, struck by counts."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from typer.testing import CliRunner

from diffing import diff
from diffing.cli.app import app
from diffing.common.errors import UserError
from diffing.diff import answer
from diffing.diff.answer import Behaviour
from diffing.labels import behaviours, called, expected, history, labelling, sentences
from diffing.labels.passages import OPEN
from diffing.study import prompts
from diffing.study.study import Study
from tests.fakes import wordless_study
from tests.fakes.labellers import passages, verdicts
from tests.fakes.openai_server import Call, OpenAIServer
from tests.fakes.watch import Watch
from tests.fakes.wordless_study import ODD, RARE

Say = Callable[[str], str]


def author(said: dict[str, str]) -> Callable[[Call], str]:
    """Says of each behaviour what it is to say, and judges by the words that are odd and rare."""

    def reply(call: Call) -> str:
        if call.model == "other/judge":
            looked_for = ODD if "odd" in call.prompt.split("\n")[0] else RARE
            marked = OPEN in call.prompt
            return verdicts(
                [any((OPEN if marked else "") + word in text for word in looked_for) for text in passages(call)]
            )
        which = "odd" if any(f"{OPEN}{word}" in call.prompt for word in ODD) else "rare"
        told = {"observations": "Words.", "sentence": said[which], "not_about": "Nothing.", "confidence": "high"}
        return json.dumps(told)

    return reply


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    said = {"odd": "An answer uses odd words.", "rare": "uses rare words"}
    with OpenAIServer(author(said), models=["maker/author", "other/judge"]) as running:
        yield running


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> Study:
    return wordless_study.make(monkeypatch)


def run(study: Study, server: OpenAIServer, **more: Any) -> dict[str, Any]:
    told = {"model": f"{server.url}#maker/author", "judge": f"{server.url}#other/judge", "attempts": 1}
    options = labelling.Options(**{**told, "behaviours": True, "top": 0, **more})
    return labelling.run(study, options, Watch())


def by_feature(study: Study) -> dict[int, Behaviour]:
    """What is shown of the two behaviours without words, by feature."""
    shown = called.behaviours(study, diff.load(study, "a", "b"))
    return {int(each.source): each for each in shown if each.by == "feature"}


def test_what_only_features_tell_of_is_asked_once_each_and_called_by_its_author(
    study: Study, server: OpenAIServer
) -> None:
    stored = diff.load(study, "a", "b")
    files = {path: path.read_bytes() for path in stored.folder.iterdir()}
    before = by_feature(study)
    assert {(each.named_by, each.author) for each in before.values()} == {("rule", "")}
    options = labelling.Options(model=f"{server.url}#maker/author", behaviours=True, top=0)
    foreseen = expected.estimate(study, options)
    assert (foreseen.names, foreseen.labels, foreseen.calls, server.calls) == (2, 0, 2, [])
    # Ended after the first, it goes on with the second, and then there is nothing left to ask.
    assert run(study, server, max_requests=1)["stopped_by"] == "the limit of 1 requests"
    assert run(study, server)["behaviours"] == {"written": 1, "scored": 0, "failed": 0, "errors": {}}
    assert run(study, server)["calls"] == 0
    assert len(server.calls) == 2
    after = by_feature(study)
    assert [(after[n].name, after[n].named_by, after[n].author) for n in (0, 1)] == [
        ("uses odd words", "llm", "maker/author"),
        ("uses rare words", "llm", "maker/author"),
    ]
    assert after[0]._replace(name=before[0].name, named_by="rule", author="") == before[0]
    assert {path: path.read_bytes() for path in stored.folder.iterdir()} == files
    assert "odd words" not in answer.sentence(stored)
    # From answers of both sides to discovery prompts of the half to write from.
    (label,) = behaviours.known(study)[behaviours.number_of(stored, after[0])].labels
    assert isinstance(label.evidence, dict) and isinstance(label.evidence["firing"], list)
    seen = [str(context).split("/") for context in label.evidence["firing"]]
    split = study.prompts().set_index("id")["split"]
    assert {split[prompt] for prompt, *_ in seen} == {"discovery"}
    assert {prompts.half_of(prompt) for prompt, *_ in seen} == {"write"}
    assert {side for _, side, *_ in seen} == {"a", "b"}


def test_no_name_that_cannot_tell_or_that_counting_contradicts_is_shown(
    study: Study, server: OpenAIServer
) -> None:
    # B has fewer lists, and more of the odd words.
    server.reply = author({"odd": "uses numbered lists", "rare": "An answer is unclear in topic"})
    before = by_feature(study)
    result = run(study, server, score=True)
    (flag,) = result["contradictions"]
    assert (flag["behaviour"], flag["label"], flag["probe"]) == (
        before[0].number,
        "uses numbered lists",
        "numbered items",
    )
    assert by_feature(study) == before
    # What is no name is not tried as one, and is not asked for again.
    assert result["behaviours"]["scored"] == 1
    assert run(study, server)["calls"] == 0
    assert run(study, server, rewrite=True)["behaviours"]["written"] == 2
    server.reply = author({"odd": "uses odd words", "rare": "uses rare words"})
    assert run(study, server, rewrite=True, score=True)["behaviours"]["scored"] == 2
    stored = diff.load(study, "a", "b")
    dossier = behaviours.known(study)[behaviours.number_of(stored, before[0])]
    assert dossier.current is not None and dossier.current.score is not None
    assert history.scores(dossier.current.score)["detection b"].startswith("1.00")


def test_a_person_names_a_behaviour_on_the_command_line_and_stands_above_a_model(
    study: Study, server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "250")
    models = ["--model", f"{server.url}#maker/author"]

    def said(*words: str) -> str:
        done = CliRunner().invoke(app, list(words), catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.stdout

    assert said("label", "study", *models, "--dry-run").startswith(
        "2 behaviours to name, 0 labels to write, 0 to score: 2 calls"
    )
    assert "done: 2 behaviours named, 0 scored, 0 failed, 2 calls" in said("label", "study", *models)
    shown = by_feature(study)
    number = shown[0].number
    assert "shows what maker/author calls “uses odd words”" in said("answer", "study")
    words = [
        "label",
        "study",
        "--behaviour",
        str(number),
        "--name",
        "An answer plays with words.",
        "--author",
        "Ada",
    ]
    assert f"Behaviour {number} is called “plays with words” from now on, by Ada." in said(*words)
    told = json.loads(said("answer", "study", "--json"))["behaviours"]
    (mine,) = [each for each in told if each["number"] == number]
    assert (mine["name"], mine["named_by"], mine["author"], mine["readers"]) == (
        "plays with words",
        "person",
        "Ada",
        [],
    )
    lists = next(each for each in told if each["by"] == "probe" and each["kind"] == "habit")
    assert (lists["named_by"], lists["author"]) == ("probe", "")
    assert len(server.calls) == 2
    with pytest.raises(UserError, match="says nothing of behaviour"):
        behaviours.name(study, diff.load(study, "a", "b"), number, "Unclear.", "Ada")
    with pytest.raises(UserError, match="There is no behaviour 99 to name"):
        behaviours.name(study, diff.load(study, "a", "b"), 99, "does more", "Ada")


@pytest.mark.parametrize(
    ("sentence", "name"),
    [
        ("An answer repeats the question.", "repeats the question"),
        ("Repeats the question", "repeats the question"),
        ("it lists product features", "lists product features"),
        ("Unclear.", "unclear"),
        ("uses words whose sense is unclear to me", "unclear"),
        ("mixed", "unclear"),
    ],
)
def test_a_reply_becomes_the_end_of_a_sentence(sentence: str, name: str) -> None:
    said = sentences.Said(observations="", sentence=sentence, not_about="", confidence="low")
    assert (said.label, sentences.fault(said)) == (name, "")
    of_feature = said.model_copy(update={"sentence": "the feature fires on commas"})
    assert re.match("sentence: .* say what an answer does", sentences.fault(of_feature))
