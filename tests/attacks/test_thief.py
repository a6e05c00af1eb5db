"""A study made to steal keys: whatever it names, no byte of a key reaches a server that listens for it."""

import json
import secrets
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from bench.fuzz import run
from diffing.models import allowed, hosts, providers
from diffing.models.providers import Checkpoint, Provider
from diffing.study.study import Study
from tests.fakes import finding_study
from tests.pages.test_findings import fill, opened, press

MOST_BYTES = 1 << 20
"""Of one connection: nothing that is sent here is longer."""
VARIABLES = (
    *("OPENAI_API_KEY", "OPENROUTER_API_KEY", "GEMINI_API_KEY", "AWS_SECRET_ACCESS_KEY", "HF_TOKEN", "MINE"),
    *("OPENAI_ADMIN_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"),
)

pytestmark = pytest.mark.attack("R3")


class Listener:
    """A server that keeps every byte, and answers as an endpoint would or sends the caller elsewhere."""

    def __init__(self, elsewhere: str = "") -> None:
        self.heard = bytearray()
        self.elsewhere = elsewhere
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}/v1"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                caller, _ = self.socket.accept()
            except OSError:
                return
            with caller:
                caller.settimeout(5)
                request = bytearray()
                while len(request) < MOST_BYTES and not _whole(request):
                    more = caller.recv(65536)
                    if not more:
                        break
                    request += more
                self.heard += request
                caller.sendall(self._reply(bytes(request)))

    def _reply(self, request: bytes) -> bytes:
        if self.elsewhere:
            path = request.split(b" ")[1].decode().removeprefix("/v1")
            head = f"HTTP/1.1 307 Temporary Redirect\r\nLocation: {self.elsewhere}{path}\r\n"
            return f"{head}Content-Length: 0\r\nConnection: close\r\n\r\n".encode()
        choice = {"index": 0, "message": {"role": "assistant", "content": "yes"}, "finish_reason": "stop"}
        told: dict[str, Any] = {"object": "list", "data": [{"id": "m"}]} if b"/models" in request else {
            "id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice],
        }  # fmt: skip
        body = json.dumps(told).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        return f"{head}Connection: close\r\n\r\n".encode() + body


def _whole(request: bytearray) -> bool:
    head, end, body = bytes(request).partition(b"\r\n\r\n")
    lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return bool(end) and len(body) >= int(lengths[0] if lengths else 0)


@pytest.fixture
def thief() -> Iterator[Listener]:
    listener = Listener()
    yield listener
    listener.socket.close()


@pytest.fixture
def honest(thief: Listener) -> Iterator[Listener]:
    """Whom a key may go to, and who sends the caller on to the thief."""
    listener = Listener(elsewhere=thief.url)
    yield listener
    listener.socket.close()


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A key in every variable that somebody could name, and in the headers that the library would add."""
    made = {name: f"sk-{secrets.token_hex(16)}" for name in VARIABLES}
    for name, value in made.items():
        monkeypatch.setenv(name, value)
    headers = secrets.token_hex(16)
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", f"X-Gateway: {headers}\nAuthorization: Bearer {headers}")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return made | {"headers": headers}


def stolen(thief: Listener, keys: dict[str, str]) -> list[str]:
    return [name for name, key in keys.items() if key.encode() in thief.heard or key.encode()[3:] in thief.heard]


def received(study: str = "gift") -> list[str]:
    """All that somebody does with a study that he was given; what each command said."""
    lines = (
        ["list"], ["status", study], ["collect", study, "--dry-run"], ["collect", study, "--max-requests", "3"],
        ["prompts", study], ["jobs", study],
    )  # fmt: skip
    done = [run(words) for words in lines]
    assert [one.fault for one in done] == [""] * len(done)
    return [one.out + one.err for one in done]


def gift(*checkpoints: Checkpoint) -> Study:
    """A study as it comes from elsewhere: nobody typed its addresses here."""
    return Study.create("gift", [*checkpoints, Checkpoint(key="z", name="z", source="import")], QUESTIONS)


QUESTIONS = pd.DataFrame({"text": ["Why?"]})


def made(thief: Listener, **fields: Any) -> Checkpoint:
    return Checkpoint(**{"key": "a", "name": "a", "source": "custom:m", "base_url": thief.url} | fields)


def test_a_named_providers_key_does_not_follow_another_address(thief: Listener, keys: dict[str, str]) -> None:
    gift(made(thief, source="openai:m"), made(thief, key="b", source="openrouter:m"))
    told = received()
    host = thief.url.split("/")[2]
    assert f"allow {host} OPENAI_API_KEY" in told[2] and host in told[1] and "not allowed" in told[1]
    assert (stolen(thief, keys), bytes(thief.heard)) == ([], b"")


@pytest.mark.parametrize("variable", ["AWS_SECRET_ACCESS_KEY", "HF_TOKEN", "MINE", "HOME", "PATH"])
def test_a_variable_that_a_study_names_is_not_even_read(
    thief: Listener, keys: dict[str, str], variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    real = providers.key_of

    def noted(name: str) -> str | None:
        read.append(name)
        return real(name)

    monkeypatch.setattr(providers, "key_of", noted)
    gift(made(thief, key_env=variable))
    assert f"The key in {variable} is not allowed to go to" in received()[2]
    assert (stolen(thief, keys), bytes(thief.heard), read) == ([], b"", [])


def test_headers_in_the_body_and_those_of_the_library_carry_no_key(thief: Listener, keys: dict[str, str]) -> None:
    tricks = {"extra_headers": {"Authorization": "$OPENAI_API_KEY"}, "api_key": "${OPENAI_API_KEY}", "timeout": 1}
    gift(made(thief, extra_body=tricks))
    received()
    assert b"extra_headers" in thief.heard
    assert stolen(thief, keys) == []


def test_a_redirect_takes_no_key_along(thief: Listener, honest: Listener, keys: dict[str, str]) -> None:
    gift(made(honest, key_env="MINE"))
    allowed.allow(honest.url, "MINE")
    received()
    # The key arrives where it may go, so that a thief who gets none got none.
    assert stolen(honest, keys) == ["MINE"]
    assert stolen(thief, keys) == []


@pytest.mark.parametrize(
    "source", ["openai:{url}#m", "openai:@{host}/v1", "openrouter:../../{host}/m", "hf:{url}"]
)
def test_an_address_in_a_models_name_is_a_name(
    thief: Listener, honest: Listener, keys: dict[str, str], source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest.elsewhere = ""
    for name in ("openai", "openrouter"):
        monkeypatch.setitem(providers.PROVIDERS, name, Provider(honest.url, providers.PROVIDERS[name].key_env))
    gift(made(thief, source=source.format(url=thief.url, host=thief.url.split("/")[2]), base_url=""))
    received()
    assert (stolen(thief, keys), bytes(thief.heard)) == ([], b"")


def test_what_was_allowed_for_one_study_stays_at_home_when_it_is_copied(
    thief: Listener, keys: dict[str, str], own_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = run(["new", "gift", f"{thief.url}#m", "import", "--key-env", "MINE"])
    assert done.code == 0 and "may go to" in done.err
    run(["collect", "gift", "--dry-run"])
    assert stolen(thief, keys) == ["MINE"]
    thief.heard.clear()
    monkeypatch.setenv("DIFFING_HOME", str(tmp_path / "other"))
    shutil.copytree(own_home / "studies", tmp_path / "other" / "studies")
    assert "is not allowed to go to" in received()[2]
    assert (stolen(thief, keys), bytes(thief.heard)) == ([], b"")


def test_the_pages_field_sends_nothing_before_its_button(
    thief: Listener, keys: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    study, host = finding_study.make(monkeypatch, prompts=24), thief.url.split("/")[2]
    app: AppTest = opened(study, show="Draft")
    fill(app, "Model that writes them (empty: what can be counted, without a model)", f"{thief.url}#m")
    fill(app, "Variable that holds the key", "AWS_SECRET_ACCESS_KEY")
    app.run()
    assert any("AWS" in warning.value and "nobody has allowed" in warning.value for warning in app.warning)
    press(app, "What would it cost?")
    assert any("is not allowed to go to" in error.value.replace("\\", "") for error in app.error)
    assert (stolen(thief, keys), bytes(thief.heard)) == ([], b"")
    button = next(button for button in app.button if button.label.startswith("Let "))
    assert [word in button.label.replace("\\", "") for word in (host, "AWS_SECRET_ACCESS_KEY")] == [True, True]
    button.click().run()
    assert allowed.pairs() == [(host, "AWS_SECRET_ACCESS_KEY")]


def test_no_key_goes_over_plain_http_beyond_this_machine(thief: Listener, keys: dict[str, str]) -> None:
    gift(made(thief, base_url="http://stranger.example/v1", key_env="MINE"))
    allowed.allow("stranger.example", "MINE")
    assert "over plain HTTP" in received()[2]
    assert stolen(thief, keys) == []


@pytest.mark.parametrize(
    "address",
    [
        "https://api.openai.com@thief.example/v1", "https://thief.example\\@api.openai.com/v1",
        "https://thief.example#@api.openai.com", "https://api.openai.com:443@thief.example", "ftp://api.openai.com",
        "https://api.openai.com\n.thief.example", "https://аpi.openai.com/v1", "https://api.openai.com%2f@thief.example",
        "https:///api.openai.com", "//api.openai.com", "https://api.openai.com:99999/v1", "https://[::1/v1",
    ],
)  # fmt: skip
def test_an_address_that_could_be_read_in_two_ways_is_none(address: str) -> None:
    with pytest.raises(ValueError):
        hosts.host_of(address)
    with pytest.raises(ValueError):
        Checkpoint(key="a", name="a", source="openai:m", base_url=address)
    assert not providers.owned(
        providers.Endpoint("openai", "https://api.openai.com.thief.example/v1", "OPENAI_API_KEY", "m")
    )


def test_what_is_allowed_is_for_its_owner_only_and_can_be_taken_back(keys: dict[str, str]) -> None:
    assert run(["allow", "Gateway.Example:8443", "MINE"]).out == (
        "The key in MINE may go to gateway.example:8443 from now on.\n"
    )
    assert json.loads(run(["allow", "--json"]).out) == [{"host": "gateway.example:8443", "variable": "MINE"}]
    path = allowed.path()
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert keys["MINE"] not in path.read_text()
    assert "any more" in run(["allow", "gateway.example:8443", "MINE", "--take-back"]).out
    assert allowed.pairs() == []
    refused = run(["allow", "gateway.example", "sk-my-secret-key"])
    assert (refused.code, "secret" in refused.err) == (2, False)
