"""Readers from the Hugging Face Hub, against a local server that answers as the Hub does."""

import hashlib
import json
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import save_file
from transformers import Gemma3TextConfig

from diffing.common import hub
from diffing.common.errors import UserError
from diffing.reader import presets
from diffing.reader.reader import Reader
from diffing.study.settings import ReaderChoice
from tests.fakes import tiny

COMMIT = "c0ffee" + "0" * 34
GEMMA = "google/gemma-3-270m-it"
SCOPE = "google/gemma-scope-2-270m-it"
SAE_FOLDER = "resid_post/layer_12_width_16k_l0_big"
CHOICE = ReaderChoice(preset="", release="gemma-scope-2-270m-it-res", sae_id="layer_12_width_16k_l0_big")


class Hub(BaseHTTPRequestHandler):
    """Files under `root/<owner>/<name>/`; what is asked for is noted."""

    root: ClassVar[Path]
    asked: ClassVar[list[str]]
    gated: ClassVar[set[str]]

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, body: bool) -> None:
        owner, name, _, _, *rest = self.path.strip("/").split("/")
        repo, file = f"{owner}/{name}", self.root / owner / name / "/".join(rest)
        content = b""
        if repo in self.gated:
            self.send_response(403)
            self.send_header("X-Error-Code", "GatedRepo")
        elif not (self.root / owner / name).exists():
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
        elif not file.exists():
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound")
        else:
            content = file.read_bytes()
            self.send_response(200)
            self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
            if body:
                self.asked.append(f"{repo}/{'/'.join(rest)}")
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    handler = type("Here", (Hub,), {"root": tmp_path / "hub", "asked": [], "gated": set()})
    http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    endpoint = f"http://127.0.0.1:{http.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    )
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    yield handler
    http.shutdown()
    thread.join()
    http.server_close()


@pytest.fixture
def published(hub_server: type[Hub]) -> type[Hub]:
    """A 14-layer Gemma with a file a layer, and a Gemma Scope SAE at its layer 12."""
    config = Gemma3TextConfig(**{**tiny.GEMMA, "num_hidden_layers": 14}, **tiny.SLIDING)
    made = tiny.model(hub_server.root / "whole", config)
    folder = hub_server.root / GEMMA
    folder.parent.mkdir()
    shutil.move(hub_server.root / "whole", folder)
    for file in folder.glob("*.safetensors*"):
        file.unlink()
    weight_map: dict[str, str] = {}
    parts: dict[str, dict[str, torch.Tensor]] = {}
    for name, tensor in made.model.state_dict().items():
        part = f"model-{name.split('.')[1] if name.startswith('layers.') else 'rest'}.safetensors"
        weight_map[f"model.{name}"] = part
        parts.setdefault(part, {})[f"model.{name}"] = tensor
    for part, tensors in parts.items():
        save_file(tensors, folder / part, metadata={"format": "pt"})
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    sae = hub_server.root / SCOPE / SAE_FOLDER
    sae.mkdir(parents=True)
    torch.manual_seed(3)
    weights = {
        "w_enc": torch.randn(tiny.WIDTH, 48),
        "w_dec": torch.randn(48, tiny.WIDTH),
        "b_enc": torch.randn(48),
        "b_dec": torch.randn(tiny.WIDTH),
        "threshold": torch.rand(48),
    }
    save_file(weights, sae / "params.safetensors")
    described = {
        "architecture": "jump_relu",
        "model_name": "gemma-3-270m-it",
        "hf_hook_point_in": "model.layers.12.output",
    }
    (sae / "config.json").write_text(json.dumps(described))
    return hub_server


def features(reader: Reader) -> list[torch.Tensor]:
    reading = reader.read([], tiny.TEXTS[0])
    return list(reader.sparse(reader.hidden([window.ids for window in reading.windows])))


def test_a_reader_is_downloaded_once_and_without_the_layers_above(
    published: type[Hub], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Reader.load(CHOICE, device="cpu")
    fetched = {name.removeprefix(f"{GEMMA}/") for name in published.asked if name.startswith(GEMMA)}
    assert "model-12.safetensors" in fetched and "model-13.safetensors" not in fetched
    assert (first.n_features, first.window, first.facts.usual_l0) == (48, 256, 150)
    asked = len(published.asked)
    tiny.block_network(monkeypatch)
    again = Reader.load(CHOICE, device="cpu")
    assert again.key == first.key
    for one, other in zip(features(first), features(again), strict=True):
        torch.testing.assert_close(one, other)
    assert len(published.asked) == asked


def test_gated_models_say_what_to_do(published: type[Hub]) -> None:
    published.gated.add(GEMMA)
    with pytest.raises(UserError, match=f"'{GEMMA}' is gated; accept its licence at .* and set HF_TOKEN"):
        Reader.load(CHOICE, device="cpu")


def test_names_that_the_hub_does_not_know(hub_server: type[Hub], tmp_path: Path) -> None:
    hub_server.root.mkdir()
    tiny.sae(tmp_path / "sae")
    with pytest.raises(UserError, match="nobody/nothing"):
        Reader.load(ReaderChoice(preset="", model="nobody/nothing", sae=str(tmp_path / "sae")), device="cpu")
    with pytest.raises(UserError, match="nobody/sae"):
        Reader.load(ReaderChoice(preset="", release="nobody/sae", sae_id="layer1"), device="cpu")
    with pytest.raises(UserError, match="neither a local folder nor a Hugging Face id"):
        hub.fetch("not a/name/at all", "config.json")


@pytest.mark.usefixtures("published")
def test_what_is_downloaded_is_seen_by_looking_at_the_disk() -> None:
    preset = presets.Preset(
        "tiny",
        "",
        model=GEMMA,
        layers=13,
        release=CHOICE.release,
        sae_id=CHOICE.sae_id,
        sae_repo=SCOPE,
        sae_file=f"{SAE_FOLDER}/params.safetensors",
    )
    assert presets.downloaded(preset) == (False, False)
    Reader.load(CHOICE, device="cpu")
    assert presets.downloaded(preset) == (True, True)
    assert presets.downloaded(preset._replace(layers=14)) == (False, True)


def test_hashes_of_files_are_remembered_until_they_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "weights"
    file.write_bytes(b"one")
    first = hub.file_hash(file)
    assert first == hashlib.sha256(b"one").hexdigest()

    def refuse(*_: Any) -> None:
        raise AssertionError("read again")

    with monkeypatch.context() as patch:
        patch.setattr(hashlib, "file_digest", refuse)
        assert hub.file_hash(file) == first
    file.write_bytes(b"other")
    assert hub.file_hash(file) == hashlib.sha256(b"other").hexdigest()
