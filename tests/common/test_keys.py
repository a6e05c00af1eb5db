"""Which variables hold keys: by their names, whatever stands around the word."""

import pytest

from diffing.common import keys


@pytest.mark.parametrize(
    "name",
    ["OPENAI_API_KEY", "hf_token", "AWS_CREDENTIALS", "CLIENT_SECRET_2", "PGPASSWORD", "AWS_SECRET_ACCESS_KEY"],
)
def test_a_name_with_such_a_word_holds_a_key(name: str) -> None:
    assert keys.holds_key(name)


def test_another_program_sees_the_rest() -> None:
    environment = {"PATH": "/bin", "OPENAI_API_KEY": "sk-1", "Hf_Token": "hf_1", "LANG": "C"}
    assert keys.without_keys(environment) == {"PATH": "/bin", "LANG": "C"}
