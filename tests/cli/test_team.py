"""A team's file: what is taken of it, and whom it lets do what."""

from pathlib import Path
from typing import Any

import pytest

from diffing.cli import team as teams
from diffing.cli.team import Team
from diffing.common.errors import UserError
from diffing.common.files import PROJECT

NOW = 1_000_000.0
WHOLE = """
origin = "https://diffing.example.org"
editors = ["ada@example.org", "groups=research"]
viewers = ["@example.org"]

[login]
metadata = "https://accounts.example.com/.well-known/openid-configuration"
client_id = "me"
secret = "LOGIN_SECRET"
"""


def read(tmp_path: Path, text: str) -> Team:
    path = tmp_path / "team.toml"
    path.write_text(text)
    return teams.read(path)


@pytest.fixture
def team(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Team:
    monkeypatch.setenv("LOGIN_SECRET", "s3cret")
    return read(tmp_path, WHOLE)


SLIPS = [
    (
        "https://diffing",
        "http://diffing",
        "origin: people log in by https alone, but on this machine; put a proxy",
    ),
    ('.org"\neditors', '.org/x"\neditors', "origin: write what browsers show of it, without a path"),
    ("https://accounts", "http://accounts", "login.metadata: logins go by https alone"),
    ("LOGIN_SECRET", "GOCSPX-abc", "login.secret: this is no variable's name; put the secret into a variable"),
    ('"@example.org"', '"*@example.org"', "viewers: '\\*@example.org' names nobody; write ada@example.org"),
    ('"@example.org"', '"example.org"', "viewers: 'example.org' names nobody"),
    ('"@example.org"', '"groups="', "viewers: 'groups=' names nobody"),
    (
        '["ada@example.org", "groups=research"]',
        "[]",
        "nobody may change anything; name at least one of the editors",
    ),
    ("viewers", "watchers", "watchers: there is no such setting"),
    ('client_id = "me"', "", "login.client_id: is missing"),
    ("client_id", 'scope = "openid"\nclient_id', "login.scope: it has to hold 'openid' and 'email'"),
    ("client_id", "hours = 0\nclient_id", "login.hours: must be more than 0, and is 0"),
    ("[login]", "[login", "is no TOML .*; docs/teams.md shows one"),
]


@pytest.mark.usefixtures("team")
@pytest.mark.parametrize(("before", "after", "sentence"), SLIPS)
def test_a_slip_is_said_and_opens_nothing(tmp_path: Path, before: str, after: str, sentence: str) -> None:
    assert WHOLE.count(before) == 1
    with pytest.raises(UserError, match=sentence) as said:
        read(tmp_path, WHOLE.replace(before, after))
    assert "GOCSPX" not in str(said.value)


def test_a_file_that_is_not_there_and_a_secret_that_is_not_set_are_said(tmp_path: Path, own_home: Path) -> None:
    with pytest.raises(
        UserError, match="'nowhere.toml' cannot be read .No such file or directory.; name one that is"
    ):
        teams.read(Path("nowhere.toml"))
    with pytest.raises(UserError, match="put LOGIN_SECRET into the environment or a .env file"):
        read(tmp_path, WHOLE)
    (own_home / ".env").write_text("LOGIN_SECRET=s3cret\n")
    assert teams.secret_of(read(tmp_path, WHOLE)) == "s3cret"


@pytest.mark.parametrize(
    ("claims", "role"),
    [
        ({"email": "ada@example.org"}, "editor"),
        ({"email": "ADA@EXAMPLE.ORG"}, "editor"),
        ({"email": "bo@example.org"}, "viewer"),
        ({"email": "bo@example.org", "groups": ["research"]}, "editor"),
        ({"email": "cy@else.example", "groups": "research"}, "editor"),
        ({"email": "cy@else.example", "groups": "research2"}, "nobody"),
        ({"email": "cy@else.example", "groups": {"research": 1}}, "nobody"),
        ({"email": "cy@sub.example.org"}, "nobody"),
        ({"email": "cy@notexample.org"}, "nobody"),
        ({"email": "@example.org.evil"}, "nobody"),
        ({"email": "x" * 80 + "@example.org"}, "nobody"),
        ({"email": "ada@example.org", "email_verified": None}, "nobody"),
        ({"email": "ada@example.org", "aud": ["other"]}, "nobody"),
        ({"email": "ada@example.org", "aud": ["other", "me"]}, "editor"),
        ({"email": "ada@example.org", "iat": NOW - 12 * 3600}, "nobody"),
        ({"email": "ada@example.org", "iat": NOW + 299}, "editor"),
        ({"email": "ada@example.org", "iat": NOW + 301}, "nobody"),
        ({"email": "ada@example.org", "iat": True}, "nobody"),
    ],
)
def test_who_may_do_what(team: Team, claims: dict[str, Any], role: str) -> None:
    usual = {"iat": NOW - 60, "aud": "me", "email_verified": True}
    person = team.judged(usual | claims, NOW).person
    assert person.role == role
    assert person.name == (claims["email"].lower() if role != "nobody" else "")


def test_an_address_that_was_not_checked_counts_where_the_file_trusts_its_provider(team: Team) -> None:
    trusting = team.model_copy(update={"login": team.login.model_copy(update={"trust_email": True})})
    claims = {"iat": NOW, "aud": "me", "email": "ada@example.org"}
    assert [each.judged(claims, NOW).person.role for each in (team, trusting)] == ["nobody", "editor"]
    # Some providers say that it was not: that is no silence.
    assert trusting.judged(claims | {"email_verified": False}, NOW).person.role == "nobody"


def test_the_file_that_the_page_shows_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIFFING_LOGIN_SECRET", "s3cret")
    page = (PROJECT / "docs" / "teams.md").read_text(encoding="utf-8")
    assert read(tmp_path, page.split("```toml\n")[1].split("```")[0]).editors
