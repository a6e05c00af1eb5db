"""Where a checkpoint answers: an address in one word, keys that nobody sees, prices by name."""

from pathlib import Path

import pytest

from diffing.common.errors import UserError
from diffing.models import allowed, providers
from diffing.models.providers import Endpoint, Price


@pytest.mark.parametrize(
    ("text", "name", "endpoint"),
    [
        (
            "openrouter:google/gemini-2.5-flash",
            "google/gemini-2.5-flash",
            Endpoint(
                "openrouter", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY", "google/gemini-2.5-flash"
            ),
        ),
        (
            "New one=openai:gpt-4o",
            "New one",
            Endpoint("openai", "https://api.openai.com/v1", "OPENAI_API_KEY", "gpt-4o"),
        ),
        ("ollama:llama3:8b", "llama3:8b", Endpoint("ollama", "http://127.0.0.1:11434/v1", "", "llama3:8b")),
        ("http://host:1/v1/#org/m", "org/m", Endpoint("custom", "http://host:1/v1", "", "org/m")),
        ("Mine=https://host/v1#m", "Mine", Endpoint("custom", "https://host/v1", "", "m")),
    ],
)
def test_a_checkpoint_is_written_in_one_word(text: str, name: str, endpoint: Endpoint) -> None:
    checkpoint = providers.parse(text, "a")
    assert (checkpoint.key, checkpoint.name, providers.endpoint(checkpoint)) == ("a", name, endpoint)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("gpt-4o", "'gpt-4o' is no checkpoint; write PROVIDER:MODEL (providers: openrouter, openai,"),
        ("openai:", "'openai:' names no model; write it after the colon"),
        ("http://host/v1", "'http://host/v1' names no model; write the URL, then '#'"),
        ("http://user:secret@host/v1#m", "A URL with a password or parameters would be stored"),
        ("https://host/v1?key=secret#m", "A URL with a password or parameters would be stored"),
    ],
)
def test_a_slip_is_named_and_no_secret_repeated(text: str, sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        providers.parse(text, "a")
    assert str(caught.value).startswith(sentence)
    assert "secret" not in str(caught.value)


def test_a_key_given_in_place_of_its_variable_is_refused_without_being_shown() -> None:
    with pytest.raises(UserError, match="is no variable's name") as caught:
        providers.parse("http://host/v1#m", "a", "sk-secret-key")
    assert "secret" not in str(caught.value)


def test_imported_answers_have_no_endpoint() -> None:
    with pytest.raises(UserError, match=r"Checkpoint 'a' \(import\) has no endpoint to ask; import its answers"):
        providers.endpoint(providers.parse("import", "a"))


def test_a_key_comes_from_the_environment_before_the_env_file(
    own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    point = Endpoint("custom", "https://host/v1", "SOME_KEY", "m")
    allowed.allow("host", "SOME_KEY")
    with pytest.raises(UserError, match="The key for https://host/v1 is not set; put SOME_KEY into the"):
        providers.need_key(point)
    (own_home / ".env").write_text('SOME_KEY="from-file"\n')
    assert providers.need_key(point) == "from-file"
    monkeypatch.setenv("SOME_KEY", " from-environment\n")
    assert providers.need_key(point) == "from-environment"
    monkeypatch.setenv("SOME_KEY", "  ")
    assert providers.need_key(point) == "from-file"
    assert providers.need_key(point._replace(key_env="")) == "none"


def test_prices_are_found_by_name_and_the_users_own_go_first(own_home: Path) -> None:
    def price(model: str, key_env: str = "SOME_KEY") -> Price | None:
        return providers.price(Endpoint("custom", "http://host/v1", key_env, model))

    assert price("google/gemini-2.0-flash-001") == price("gemini-2.0-flash") == Price(0.10 / 1e6, 0.40 / 1e6)
    assert price("unheard-of") is None
    assert price("gemini-2.0-flash", "") == Price(0.0, 0.0)
    (own_home / "prices.toml").write_text('"unheard-of" = [1, 2]\n"gemini-2.0-flash" = [3, 4]\n')
    assert price("unheard-of") == price("unheard-of", "") == Price(1 / 1e6, 2 / 1e6)
    assert price("gemini-2.0-flash") == Price(3 / 1e6, 4 / 1e6)
    (own_home / "prices.toml").write_text('"unheard-of" = 1\n')
    with pytest.raises(UserError, match="'prices.toml' is wrong"):
        price("unheard-of")
