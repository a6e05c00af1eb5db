"""Sixty-one edits of `study.toml`, slips and attacks: each opens, or is told in one sentence."""

import pandas as pd
import pytest

from bench.fuzz import run
from diffing.common.errors import UserError
from diffing.models import body
from diffing.models.providers import Checkpoint
from diffing.study.settings import Sampling
from diffing.study.study import Study

PLAIN = """format = 1
name = "s"
created = "2026-01-01T00:00:00+00:00"
note = ""
held_out = 0.3
seed = 0

[sampling]
temperature = 1.0
max_tokens = 100
system = ""
draws = 1
extra_body = {}

[reader]
preset = "starter"

[[checkpoints]]
key = "a"
name = "A"
source = "import"

[[checkpoints]]
key = "b"
name = "B"
source = "custom:m"
base_url = "http://127.0.0.1:1/v1"
"""
OPENS = ""
EDITS = [
    ("format = 1", "", OPENS),
    ("format = 1", "format = 0", "format:"),
    ("format = 1", "format = 2", "written in format 2"),
    ("format = 1", 'format = "x"', "format:"),
    ("format = 1", "format = nan", "format:"),
    ("format = 1", "format = [1]", "format:"),
    ("format = 1", "format = 2026-01-01", "format:"),
    ('name = "s"', "", "name:"),
    ('name = "s"', "name = 3", "name:"),
    ('name = "s"', 'name = "another"', OPENS),
    ('name = "s"', 'name = "\\u001b]0;owned\\u0007"', OPENS),
    ('created = "2026-01-01T00:00:00+00:00"', "created = 2026-01-01T00:00:00Z", "created:"),
    ('created = "2026-01-01T00:00:00+00:00"', 'created = "yesterday"', OPENS),
    ("held_out = 0.3", "held_out = nan", "held_out:"),
    ("held_out = 0.3", "held_out = 1.0", "held_out:"),
    ("held_out = 0.3", "held_out = -0.1", "held_out:"),
    ("held_out = 0.3", 'held_out = "a third"', "held_out:"),
    ("seed = 0", "seed = -1", "seed:"),
    ("seed = 0", "seed = 1.5", "seed:"),
    ("seed = 0", "seed = 99999999999999999999999", "seed:"),
    ("seed = 0", f"seed = {'9' * 5000}", "is not TOML"),
    ("seed = 0", "seed = 0\nsead = 1", "sead:"),
    ("[sampling]", "sampling = 3\n[other]", "sampling"),
    ("[sampling]", "[sampling", "is not TOML"),
    ("[sampling]", "[[sampling]]", "sampling"),
    ("temperature = 1.0", "", OPENS),
    ("temperature = 1.0", "temperature = nan", "temperature:"),
    ("temperature = 1.0", "temperature = inf", "temperature:"),
    ("temperature = 1.0", "temperature = -1.0", "temperature:"),
    ("temperature = 1.0", 'temperature = "hot"', "temperature:"),
    ("max_tokens = 100", "max_tokens = 0", "max_tokens:"),
    ("max_tokens = 100", "max_tokens = 10000000000", "max_tokens:"),
    ('system = ""', "system = ['Be brief.']", "system:"),
    ('system = ""', 'system = "\\uD800"', "is not TOML"),
    ("draws = 1", "draws = 0", "draws:"),
    ("draws = 1", "draws = 1000000000", "draws:"),
    ("draws = 1", "draws = true", OPENS),
    ("draws = 1", 'draws = "many"', "draws:"),
    ("extra_body = {}", "extra_body = {when = 2026-01-01}", "'when' is a date"),
    ("extra_body = {}", "extra_body = {top_p = nan}", "'top_p' is no finite number"),
    ("extra_body = {}", "extra_body = {a = {b = [inf]}}", "'a.b' is no finite number"),
    ("extra_body = {}", f"extra_body = {{a = {'9' * 400}}}", "too large a number"),
    ("extra_body = {}", f"extra_body = {{a = {'[' * 40}{']' * 40}}}", "nests more than"),
    ("extra_body = {}", f"extra_body = {{a = {'[' * 20000}{']' * 20000}}}", "is not TOML"),
    ("extra_body = {}", 'extra_body = {model = "other"}', "'model' cannot be set here"),
    ("extra_body = {}", "extra_body = {messages = []}", "'messages' cannot be set here"),
    ("extra_body = {}", "extra_body = {stream = true}", "'stream' cannot be set here"),
    ("extra_body = {}", "extra_body = {n = 5}", "'n' cannot be set here"),
    ("extra_body = {}", "extra_body = 3", "extra_body:"),
    ("extra_body = {}", 'extra_body = {reasoning = {effort = "low"}}', OPENS),
    ('preset = "starter"', 'preset = "none"', "There is no reader 'none'"),
    ('preset = "starter"', "preset = 3", "preset:"),
    ('preset = "starter"', 'context = "all"', "context:"),
    ('key = "a"', 'key = "b"', "keys must differ"),
    ('key = "a"', 'key = "../a"', "is no checkpoint key"),
    ('source = "import"', "source = 1", "source:"),
    ('base_url = "http://127.0.0.1:1/v1"', 'base_url = "http://[::1:1/v1"', "is no host"),
    ('base_url = "http://127.0.0.1:1/v1"', 'base_url = "http://h:abc"', "is no host"),
    ('base_url = "http://127.0.0.1:1/v1"', 'base_url = "http://me:pw@h/v1"', "is no host"),
    ('base_url = "http://127.0.0.1:1/v1"', "base_url = 3", "base_url:"),
    ('source = "import"', 'source = "import"\nkey_env = "sk-abc-secret"', "no variable's name"),
]  # fmt: skip
"""What stood there, what stands there now, and the words by which the fault is told; nothing where it opens."""

EVERYWHERE = {"seed = -1", "[sampling", "extra_body = {n = 5}", "base_url = 3", 'key = "../a"'}
"""Edits of each sort, which are tried with every command: a value, no TOML, a body, an endpoint, a key."""

pytestmark = pytest.mark.attack("R31")


def test_there_are_sixty_one_edits() -> None:
    assert len(EDITS) == 61
    assert all(PLAIN.count(before) >= 1 for before, _, _ in EDITS)


@pytest.mark.parametrize(("before", "after", "words"), EDITS, ids=[after[:40] or "gone" for _, after, _ in EDITS])
def test_an_edit_opens_or_is_told_in_one_sentence(before: str, after: str, words: str) -> None:
    pair = [Checkpoint(key=key, name=key, source="import") for key in "ab"]
    folder = Study.create("s", pair, pd.DataFrame({"text": ["Why?", "How?"]})).folder
    (folder / "study.toml").write_text(PLAIN.replace(before, after, 1), encoding="utf-8")
    listed = run(["list"])
    assert (listed.code, listed.fault) == (0, "")
    told = run(["status", "s"])
    assert (told.code == 0) == (words == OPENS), told.err
    # A study that does not open stops every command at the same place: one of them does for most edits.
    more = (["collect", "s", "--dry-run"], ["prompts", "s", "--json"]) if after in EVERYWHERE or not words else ()
    for done in (told, *map(run, more)):
        assert done.fault == "", done.err
        assert done.code in (0, 2)
        if words:
            assert done.code and words in done.err
        if done.code:
            assert done.err.strip().count("\n") == 0 and done.err.strip().endswith(".")
            assert "secret" not in done.err and len(done.err) < 600
    assert "\x1b]0" not in told.out + listed.out


@pytest.mark.parametrize("name", sorted(body.RESERVED))
def test_no_field_of_the_body_replaces_what_the_study_says(name: str) -> None:
    for shape in (
        lambda extra: Sampling(extra_body=extra),
        lambda extra: Checkpoint(key="a", name="a", source="import", extra_body=extra),
    ):
        with pytest.raises(ValueError, match=f"'{name}' cannot be set here, because"):
            shape({name: 1})
    with pytest.raises(UserError, match="Study 's' cannot be made"):
        Study.create("s", [Checkpoint(key=k, name=k, source="import") for k in "ab"], seed=-1)
