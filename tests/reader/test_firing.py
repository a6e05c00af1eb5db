"""What a rule says of a feature: the tokens that it fires on, from discovery prompts alone."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from diffing.models.providers import Checkpoint
from diffing.reader import firing
from diffing.reader.pieces import TokenTable
from diffing.reader.records import Encoding
from diffing.study.study import Study


class Store:
    """Encodings of texts by their words; feature 7 fires on double spaces, 5 on the word after one."""

    n_features = 10

    def __init__(self, texts: Sequence[str], prompt_ids: Sequence[str], errors: Sequence[str]) -> None:
        self.texts = texts
        self.documents = pd.DataFrame({"prompt_id": prompt_ids, "error": errors})
        self.held = np.ones(len(texts), bool)
        self.vocabulary: dict[str, int] = {}

    def pieces(self, document: int) -> list[str]:
        return self.texts[document].replace(" ", "| ").split("|")

    def encoding(self, document: int) -> Encoding:
        pieces = self.pieces(document)
        ends = np.cumsum([len(piece) for piece in pieces])
        ids = [self.vocabulary.setdefault(piece, len(self.vocabulary)) for piece in pieces]
        bare = [i for i, piece in enumerate(pieces) if piece == " "]
        runs = {5: [i + 1 for i in bare], 7: bare} if bare else {}
        return Encoding(
            ids=np.array(ids, np.uint32),
            spans=np.stack([ends - [len(piece) for piece in pieces], ends], axis=1).astype(np.int32),
            feature=np.array(list(runs), np.uint16),
            peak=np.ones(len(runs), np.float32),
            count=np.array([len(run) for run in runs.values()], np.uint16),
            position=np.array([i for run in runs.values() for i in run], np.uint16),
            code=np.empty(0, np.uint16),
        )

    def tokens(self, document: int) -> TokenTable:
        one = self.encoding(document)
        return TokenTable(one.ids, one.spans, self.texts[document])


def test_a_feature_without_a_label_is_shown_by_its_tokens_and_marked_as_a_rules_work() -> None:
    store = Store(["One.  Two  three", "no such", "And.  Two"], ["p", "q", "r"], [""] * 3)
    found = firing.describe(store, [5, 7, 1], [0, 1, 2])
    assert [found[feature].in_words() for feature in (5, 7, 1)] == [
        "fires on “Two” ×2, “three” ×1",
        "fires on “␣” ×3",
        "not active in these answers",
    ]
    assert found[7] == (3, 2, [("␣", 3)])
    assert not any("unknown" in lexical.in_words().lower() for lexical in found.values())


def test_a_description_reads_only_the_documents_given() -> None:
    store = Store(["One.  Two", "And.  Six"], ["p", "q"], ["", ""])
    assert firing.describe(store, [5], [1])[5].in_words() == "fires on “Six” ×1"


def test_descriptions_are_made_from_discovery_prompts_alone() -> None:
    sides = [Checkpoint(key=key, name=key, source="import") for key in "ab"]
    table = pd.DataFrame({"text": [f"Question {number}?" for number in range(40)]})
    study = Study.create("s", sides, table, held_out=0.5)
    prompts = study.prompts()
    ids = prompts["id"].tolist()
    store = Store([""] * len(ids), ids, ["too long", *[""] * (len(ids) - 1)])
    chosen = firing.readable(study, store).tolist()
    assert chosen == [i for i in range(1, len(ids)) if prompts["split"][i] == "discovery"]
    assert 0 < len(chosen) < len(ids) - 1


@pytest.mark.parametrize(
    ("piece", "expected"),
    [
        (" the", "the"),
        (" ", "␣"),
        ("  ", "␣␣"),
        (" \n", "␣↵"),
        ("\t", "⇥"),
        ("<b>", "<b>"),
        ("\u202e", "\\u202e"),
        ("\ud800", "\\ud800"),
        ("", ""),
    ],
)
def test_a_token_is_shown_as_it_can_be_read(piece: str, expected: str) -> None:
    assert firing.shown(piece) == expected
