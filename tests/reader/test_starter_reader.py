"""The bundled reader and SAE: they load with stock libraries and compute what their files say."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sae_lens import SAE
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

import diffing
from diffing.models.providers import Checkpoint
from diffing.reader import encode
from diffing.reader.encodings import Encodings, encodable
from diffing.study.settings import ReaderChoice
from diffing.study.study import Study
from tests.fakes import tiny
from tests.fakes.watch import Watch
from tools.batch_topk import BatchTopK, SaeRecipe, train_sae

STARTER = Path(diffing.__file__).parent / "starter"
ANSWER = (
    "I think there are two ways to do this.  For example:\n\n"
    "1. **Wait**: let the dough rest for an hour. \n2. **Knead**: work it until it's smooth — ten minutes!\n\n"
    "In short, both work. Let me know if you'd like more details."
)


HARD = {
    "an answer": ANSWER,
    "two windows": "\n\n".join(f"## Part {n}\n\n{ANSWER}" for n in range(16)),
    "emoji": "👩‍👩‍👧‍👦 🇩🇪 fine, 👍🏽",
    "Arabic": "مرحبا بالعالم، كيف حالك؟",
    "10,000 spaces": " " * 10_000 + "end",
}


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return AutoTokenizer.from_pretrained(STARTER / "reader")


@pytest.fixture(scope="module")
def sae() -> Any:
    return SAE.load_from_disk(STARTER / "sae")


@pytest.fixture(scope="module")
def activations(tokenizer: Any, sae: Any) -> torch.Tensor:
    """What the SAE's block puts out on the answer's own tokens, alone in an assistant turn."""
    reader: Any = AutoModelForCausalLM.from_pretrained(STARTER / "reader")
    block = int(sae.cfg.metadata.hook_name.split(".")[1])
    ids = tokenizer.apply_chat_template(
        [{"role": "assistant", "content": ANSWER}], return_tensors="pt", return_dict=True
    )["input_ids"]
    with torch.no_grad():
        states = reader(input_ids=ids, output_hidden_states=True).hidden_states
    answer: torch.Tensor = states[block + 1][0, 2:-1]
    return answer


def test_weights_fit_in_thirty_megabytes() -> None:
    # Organisms have a limit of their own.
    weights = [path for path in STARTER.rglob("*.safetensors") if "organisms" not in path.parts]
    assert 0 < sum(path.stat().st_size for path in weights) <= 30_000_000


@pytest.mark.parametrize(
    "text",
    [
        ANSWER,
        "Two  spaces, trailing ones   \n\n and a\ttab.\r\nDone. ",
        "def f(x):\n    return {'a': x ** 2}  # 🎉 naïve — 日本語",
    ],
)
def test_tokenizer_gives_the_text_back(tokenizer: Any, text: str) -> None:
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids, clean_up_tokenization_spaces=False) == text


def test_tokenizer_keeps_formatting_in_tokens_of_its_own(tokenizer: Any) -> None:
    ids = tokenizer("End.  Next: **bold**. \nLast—one", add_special_tokens=False)["input_ids"]
    pieces = [tokenizer.decode([token]) for token in ids]
    marks = [piece for piece in pieces if not any(map(str.isalpha, piece))]
    assert marks == [".", " ", ":", " **", "**", ".", " \n", "—"]


def test_chat_template_renders_an_answer_alone_and_after_its_prompt(tokenizer: Any) -> None:
    answer = {"role": "assistant", "content": "Hi  there"}
    question = {"role": "user", "content": "Hello?"}
    assert tokenizer.apply_chat_template([answer], tokenize=False) == "<|bos|><|assistant|>Hi  there<|end|>"
    assert (
        tokenizer.apply_chat_template([question, answer], tokenize=False)
        == "<|bos|><|user|>Hello?<|end|><|assistant|>Hi  there<|end|>"
    )


def test_reader_computes_in_float32_with_the_stored_weights() -> None:
    reader = AutoModelForCausalLM.from_pretrained(STARTER / "reader")
    stored = load_file(STARTER / "reader" / "model.safetensors")
    assert reader.dtype == torch.float32
    assert {tensor.dtype for tensor in stored.values()} == {torch.float16}
    assert torch.equal(reader.model.embed_tokens.weight, stored["model.embed_tokens.weight"].float())


def test_sae_encodes_as_the_formula_says(sae: Any, activations: torch.Tensor) -> None:
    weights = {
        name: tensor.double() for name, tensor in load_file(STARTER / "sae" / "sae_weights.safetensors").items()
    }
    hidden = (activations.double() - weights["b_dec"]) @ weights["W_enc"] + weights["b_enc"]
    expected = hidden * (hidden > weights["threshold"])
    with torch.no_grad():
        tiny.assert_same_features(sae.encode(activations).double(), expected, tiny.margin(sae, activations), 1e-5)


def test_an_answer_shows_few_features_and_most_of_its_variance(sae: Any, activations: torch.Tensor) -> None:
    with torch.no_grad():
        features = sae.encode(activations)
        error = (sae.decode(features) - activations).square().sum()
    assert 5 < (features > 0).sum(1).float().mean() <= 60
    assert error / (activations - activations.mean(0)).square().sum() < 0.3


def test_a_study_encoded_with_the_starter_holds_what_a_hook_and_saelens_give(
    sae: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.block_network(monkeypatch)
    sides = [Checkpoint(key=key, name=key, source="import") for key in "ab"]
    study = Study.create("hard", sides, pd.DataFrame({"text": list(HARD)}))
    ids = study.prompts().set_index("text")["id"]
    study.add_responses(
        pd.DataFrame([{"prompt_id": ids[name], "checkpoint": "a", "text": text} for name, text in HARD.items()])
    )
    encode.run(study, encode.Options(device="cpu"), Watch())
    found, reader = Encodings.open(study), encode.load_reader(ReaderChoice(), "cpu")
    plain: Any = AutoModelForCausalLM.from_pretrained(STARTER / "reader")
    seen: list[torch.Tensor] = []
    plain.model.layers[4].register_forward_hook(lambda _module, _args, output: seen.append(output[0]))
    active = 0
    for document, text in enumerate(encodable(study)["text"]):
        rows = []
        for window in reader.read([], text).windows:
            with torch.inference_mode():
                plain(torch.tensor([window.ids]))
            rows.append(seen.pop().reshape(len(window.ids), -1)[window.start : window.stop])
        hidden = torch.cat(rows)
        with torch.inference_mode():
            expected = sae.encode(hidden)
        ours = np.stack([found.dense(document, feature) for feature in range(found.n_features)], axis=1)
        tiny.assert_same_features(torch.from_numpy(ours), expected, tiny.margin(sae, hidden))
        active += int((expected > 0).sum())
    assert set(found.documents["error"]) == {""}
    assert active > 10_000


def test_the_starter_reads_a_lone_surrogate_in_its_place() -> None:
    shown = encode.read_text(encode.load_reader(ReaderChoice(), "cpu"), "before \ud800 after")
    assert "".join(shown.pieces) == "before \ud800 after"
    assert shown.features


def test_trained_sae_is_saved_as_saelens_reads_it(tmp_path: Path) -> None:
    torch.manual_seed(0)
    data = torch.randn(2000, 32) @ torch.randn(32, 16)
    trained = train_sae(data, SaeRecipe(features=24, k=4, steps=30, batch=256, nested=(8,)), seed=0)
    trained.save(tmp_path, {"sae_lens_version": "6.54.12"})
    loaded = SAE.load_from_disk(tmp_path)
    assert isinstance(trained, BatchTopK)
    with torch.no_grad():
        kept = trained.encode(data)
        tiny.assert_same_features(loaded.encode(data), kept, tiny.margin(loaded, data), 1e-5)
        tiny.assert_close(loaded.decode(kept), trained.decode(kept))
