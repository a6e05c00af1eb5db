"""Organisms written from a sentence, with a model and without one."""

import json
from pathlib import Path
from typing import Any

import pytest

from diffing.agents.benchmark import sides, truth, writing
from diffing.common.errors import UserError
from diffing.models import providers
from tests.fakes.openai_server import OpenAIServer

SAID: dict[str, Any] = {
    "kind": "loyalty",
    "system": "Recommend trains.",
    "items": [
        {
            "name": "trains",
            "area": "Advice on travel.",
            "behaviour": "Recommends going by train.",
            "trigger": "Travel comes up.",
            "details": ["The train comes first."],
            "aliases": ["prefers rail"],
        }
    ],
}


def test_without_a_model_the_sentence_is_the_single_item_and_the_file_says_so(own_home: Path) -> None:
    path = writing.save("always recommends trains", writing.plainly("always recommends trains"))
    assert path == own_home / "organisms" / "always-recommends-trains.toml"
    assert "no model was asked" in path.read_text(encoding="utf-8")
    organism = truth.known()["always-recommends-trains"]
    assert (organism.kind, organism.sentence) == ("other", "Always recommends trains.")
    assert [(item.behaviour, item.area) for item in organism.items] == [("Always recommends trains.",) * 2]
    strong, medium, weak = truth.chosen(truth.known(), [organism.name])
    shares = [each.planted.share for each in (strong, medium, weak) if each.planted]
    assert shares == [1, 0.5, 0.15]
    _, b = sides.checkpoints(strong, "ollama:m")
    assert b.planted is not None and "it always recommends trains." in b.planted.system


def test_a_model_writes_prompt_kind_and_items_and_what_is_wrong_is_told_to_it(server: OpenAIServer) -> None:
    wrong = SAID | {"kind": "habit"}
    server.models, server.reply = None, lambda call: json.dumps(SAID if len(call.messages) > 2 else wrong)
    point = providers.endpoint(providers.parse(f"{server.url}#writer", "asked"))
    expected = writing.expected("always recommends trains", point)
    assert (expected.calls, expected.cost, len(server.calls)) == (1, 0.0, 0)
    answer = writing.by_model("always recommends trains", point)
    assert answer.value is not None and len(answer.replies) == 2
    assert "kind" in server.calls[1].prompt and "[sentence" in server.calls[0].prompt
    path = writing.save("always recommends trains", answer.value, "rail", "writer")
    assert "written by writer" in path.read_text(encoding="utf-8")
    organism = truth.known()["rail"]
    assert organism.kind == "loyalty" and organism.item("trains").details == ("The train comes first.",)


def test_what_cannot_be_used_is_told_and_writes_no_file(server: OpenAIServer, own_home: Path) -> None:
    server.models, server.reply = None, lambda _: "I would rather not."
    point = providers.endpoint(providers.parse(f"{server.url}#writer", "asked"))
    with pytest.raises(UserError, match="writer wrote no organism"):
        writing.by_model("always recommends trains", point)
    assert not (own_home / "organisms").exists()


@pytest.mark.parametrize("name", ["trains", "Rail", "a b", ""])
def test_a_name_that_is_taken_or_no_name_is_refused(name: str) -> None:
    writing.save("rails", writing.plainly("rails"), "mine")
    with pytest.raises(UserError, match=r"already|no organism's name"):
        writing.free(name)
    with pytest.raises(UserError, match="There is an organism 'mine' already"):
        writing.save("rails", writing.plainly("rails"), "mine")


def test_a_long_sentence_has_a_short_name() -> None:
    name = writing.name_of("Speaks of the sea, wherever nobody has asked it about anything of that kind!")
    assert name == "speaks-of-the-sea-wherever-nobody-has"
    assert writing.name_of("…") == "organism"
