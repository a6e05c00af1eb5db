"""Answers from a local Hugging Face checkpoint, batch by batch, through `transformers`' own `generate`.

Promises the same cache and the same records as an endpoint's answers, and sampling that repeats from the study's
seed on the same machine, prompt by prompt. Batches are grouped by prompt length; it is no serving engine: for
speed serve the model (vLLM) and name its URL.
"""

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diffing import chat, files
from diffing.chat import Reply, Request
from diffing.errors import UserError
from diffing.study import Checkpoint

if TYPE_CHECKING:
    from diffing.collect import Ask

BATCH = 16
"""Answers sampled together."""


def is_local(checkpoint: Checkpoint) -> bool:
    return checkpoint.source.startswith("hf:")


def request(
    checkpoint: Checkpoint, messages: list[dict[str, str]], parameters: dict[str, Any], draw: int, seed: int
) -> Request:
    """The cache key's content for a local answer; a folder is known by its weights' sizes and dates."""
    where = checkpoint.source.partition(":")[2]
    return Request("local", f"{where}@{_fingerprint(where)}", messages, parameters | {"seed": seed}, draw)


def answers(
    checkpoint: Checkpoint, asks: Sequence["Ask"], seed: int, batch: int = BATCH
) -> Iterator[tuple["Ask", Reply]]:
    """Every ask with its answer, each stored before it is handed on."""
    stored = {ask.request.key: chat.cache().get(ask.request.key) for ask in asks}
    for ask in asks:
        if stored[ask.request.key] is not None:
            yield ask, Reply.model_validate(stored[ask.request.key] | {"cached": True})
    missing = [ask for ask in asks if stored[ask.request.key] is None]
    if not missing:
        return
    where = checkpoint.source.partition(":")[2]
    model, tokenizer = _load(where)
    texts = {ask.request.key: _rendered(tokenizer, ask.request.messages) for ask in missing}
    missing.sort(key=lambda ask: len(texts[ask.request.key]))
    for begin in range(0, len(missing), batch):
        group = missing[begin : begin + batch]
        started = time.perf_counter()
        replies = _sample(model, tokenizer, [texts[a.request.key] for a in group], group[0].request, seed)
        latency = round((time.perf_counter() - started) / len(group), 3)
        for ask, reply in zip(group, replies, strict=True):
            reply.model_served, reply.latency = ask.request.model, latency
            chat.cache().set(ask.request.key, reply.model_dump(exclude={"cached"}))
            yield ask, reply


def _fingerprint(where: str) -> str:
    folder = Path(where)
    if not folder.is_dir():
        return "hub"
    weights = sorted([*folder.glob("*.safetensors"), *folder.glob("*.bin"), *folder.glob("*.json")])
    return files.content_hash([[p.name, p.stat().st_size, p.stat().st_mtime_ns] for p in weights], 8)


def _load(where: str) -> tuple[Any, Any]:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    try:
        tokenizer = AutoTokenizer.from_pretrained(where, padding_side="left")
        model: Any = AutoModelForCausalLM.from_pretrained(where, dtype=dtype)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"Checkpoint 'hf:{where}' cannot be loaded ({reason}); check the folder or id.") from error
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return model.to(device).eval(), tokenizer


def _rendered(tokenizer: Any, messages: list[dict[str, str]]) -> str:
    if tokenizer.chat_template:
        return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))
    return "\n\n".join(message["content"] for message in messages) + "\n\n"


def _sample(model: Any, tokenizer: Any, texts: list[str], like: Request, seed: int) -> list[Reply]:
    """One batch; the template has written the special tokens already, so none are added."""
    import torch
    from transformers import set_seed

    special = not tokenizer.chat_template
    inputs = tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=special).to(model.device)
    temperature = like.parameters.get("temperature", 1.0)
    longest = like.parameters.get("max_tokens") or 1024
    # From the content, so that a resumed run samples as an undisturbed one for the same batch.
    set_seed(int(files.content_hash([seed, like.draw, texts], 8), 16))
    sampling: dict[str, Any] = {"do_sample": bool(temperature)}
    if temperature:
        sampling["temperature"] = temperature
    with torch.inference_mode():
        output = model.generate(**inputs, max_new_tokens=longest, pad_token_id=tokenizer.pad_token_id, **sampling)
    width = inputs["input_ids"].shape[1]
    created = datetime.now(UTC).isoformat(timespec="seconds")
    ends = model.generation_config.eos_token_id
    stops = set(ends if isinstance(ends, list) else [ends])
    replies = []
    for row, given in zip(output[:, width:].tolist(), inputs["attention_mask"].sum(1).tolist(), strict=True):
        stop = next((i for i, token in enumerate(row) if token in stops), None)
        kept = row if stop is None else row[:stop]
        replies.append(
            Reply(
                text=tokenizer.decode(kept, skip_special_tokens=True),
                finish_reason="length" if stop is None else "stop",
                tokens_in=int(given),
                tokens_out=len(kept),
                cost=0.0,
                created=created,
            )
        )
    return replies
