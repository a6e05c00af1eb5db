"""Checkpoints that are made of others: how they are written, and the sentence for each slip."""

from pathlib import Path

import pytest

from diffing.common.errors import UserError
from diffing.models import made, providers
from diffing.models.made import Made
from diffing.study.study import Study


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("amplify:a,b,2", Made("amplify", "a", 2.0, "b")),
        ("interpolate:starter, starter+fact, 0.5", Made("interpolate", "starter", 0.5, "starter+fact")),
        (
            "cdd:hf:org/base@1,hf:org/base@1+org/low#x,-1",
            Made("cdd", "hf:org/base@1", -1.0, "hf:org/base@1+org/low#x"),
        ),
        (
            "steer:b,/x/lens.safetensors#mean[3],5,1e3",
            Made("steer", "b", 1000.0, "", "/x/lens.safetensors", "mean[3]", 5),
        ),
    ],
)
def test_what_is_made_of_others_is_written_in_one_line(text: str, found: Made) -> None:
    assert made.is_made(text)
    assert made.parse(text) == found
    assert made.parse(found.written) == found


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            "amplify:a,b",
            "is not written as amplify:A,B,2; A and B are keys of the study's checkpoints, or weights",
        ),
        ("amplify:a,b,", "is not written as amplify:A,B,2"),
        ("amplify:a,b,c,2", "is not written as amplify:A,B,2"),
        ("amplify:a,b,much", "'much' in 'amplify:a,b,much' is no number; write how strong it is to be"),
        ("amplify:a,b,nan", "'nan' in 'amplify:a,b,nan' is no number"),
        ("amplify:a,b,101", "out of range; take a number from -100 to 100"),
        ("interpolate:a,b,1.5", "out of range; take a number from 0 to 1"),
        ("amplify:a,a,2", "names one checkpoint twice"),
        (
            "cdd:openai:gpt-4o,b,1",
            "'openai:gpt-4o' in 'cdd:openai:gpt-4o,b,1' is neither a checkpoint's key nor weights",
        ),
        ("amplify:starter,starter+fax,2", "No adapter 'fax' ships with the starter"),
        (
            "steer:a,lens.safetensors,5,2",
            "is not written as steer:A,FILE#NAME,LAYER,STRENGTH; name a safetensors file",
        ),
        ("steer:a,lens.safetensors#mean,last,2", "name a safetensors file and a layer from 0"),
    ],
)
def test_a_slip_is_named_in_one_sentence(text: str, fault: str) -> None:
    with pytest.raises(UserError) as caught:
        providers.parse(text, "c")
    assert fault in str(caught.value)
    assert str(caught.value).count(". ") == 0


def test_a_direction_is_known_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = made.parse("steer:a,lens.safetensors#mean,5,2")
    assert found.file == str(tmp_path / "lens.safetensors")
    assert found.short == "steer:a,lens.safetensors#mean,5,2"


def test_keys_stand_for_the_weights_of_their_checkpoints() -> None:
    sources = {"a": "hf:org/base", "b": "starter+fact", "c": "import", "d": "amplify:a,b,2"}
    assert made.resolved("amplify:a,b,2", sources) == "amplify:hf:org/base,starter+fact,2"
    assert made.resolved("starter", sources) == "starter"
    with pytest.raises(UserError, match="is made of 'e', which is no checkpoint here; name one of: a, b, c, d"):
        made.resolved("amplify:a,e,2", sources)
    for key, source in (("c", "import"), ("d", "amplify:a,b,2")):
        with pytest.raises(UserError, match=rf"is made of '{key}', which is no weights \('{source}'\)"):
            made.resolved(f"amplify:a,{key},3", sources)


def test_a_study_holds_only_what_its_checkpoints_are_made_of() -> None:
    sides = [providers.parse(text, key) for key, text in (("a", "starter"), ("b", "amplify:a,x,2"))]
    with pytest.raises(UserError) as caught:
        Study.create("s", sides)
    assert str(caught.value) == (
        "Study 's' cannot be made: 'amplify:a,x,2' is made of 'x', which is no checkpoint here; name one of: a, b."
    )
    sides = [*sides[:1], providers.parse("amplify:a,starter+style,2", "b")]
    assert [each.name for each in Study.create("s", sides).checkpoints] == ["starter", "amplify:a,starter+style,2"]


def test_what_is_made_says_so_in_words() -> None:
    names = {"a": "Before", "b": "After"}
    told = {
        "amplify:a,b,2": "Before with 2 times the change to After",
        "interpolate:a,b,0.25": "Before with 0.25 of the change to After",
        "cdd:a,b,1": "After decoded against Before with contrast 1",
        "steer:b,f.safetensors#mean,5,3": "After with the direction mean added at layer 5, 3 times",
    }
    assert {text: made.parse(text).told(names) for text in told} == told
