"""Train the starter, reader and SAE, from the corpus file: `python -m tools.train_starter CORPUS`.

Wants a GPU (minutes on one H100). The seed fixes data order and initial weights; GPU arithmetic makes
two runs alike, not equal. Everything printed at the end is measured on the files as saved.
"""

import json
import math
import time
from collections import defaultdict
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import torch
import typer
from tokenizers import Tokenizer
from torch import nn
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from tools.batch_topk import SaeFigures, SaeRecipe, measure_sae, train_sae
from tools.starter_corpus import (
    BOS,
    CHAT_TEMPLATE,
    END,
    PAD,
    SPECIAL_TOKENS,
    Document,
    Rows,
    chat_pieces,
    encode_texts,
    pack,
    read_corpus,
    split_corpus,
    train_tokenizer,
)


class ReaderRecipe(NamedTuple):
    width: int = 320
    layers: int = 8
    heads: int = 5
    mlp: int = 800
    context: int = 1024
    vocabulary: int = 8192
    epochs: int = 8
    batch_tokens: int = 32_768
    optimizer: str = "muon"
    lr: float = 3e-3
    embedding_lr: float = 3e-3
    weight_decay: float = 0.1
    dropout: float = 0.1


BASELINE = ReaderRecipe(
    width=256, heads=4, mlp=704, context=512, epochs=10, optimizer="adamw", lr=1e-3, embedding_lr=1e-3, dropout=0.0
)


class Texts(NamedTuple):
    """Documents with their token ids."""

    documents: list[Document]
    texts: list[np.ndarray]
    prompts: list[np.ndarray]

    def rows(self, context: int, rng: np.random.Generator, with_prompts: bool = False) -> Rows:
        pieces = chat_pieces(self.texts, self.prompts if with_prompts else None, context)
        return pack(pieces, context, rng)


class Loss(NamedTuple):
    bits_per_character: float
    nats_per_token: float
    by_source: dict[str, float]


def tokenize(tokenizer: Tokenizer, documents: list[Document]) -> Texts:
    texts = encode_texts(tokenizer, [d.text for d in documents])
    return Texts(documents, texts, encode_texts(tokenizer, [d.prompt or "" for d in documents]))


def new_reader(recipe: ReaderRecipe) -> LlamaForCausalLM:
    reader = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=recipe.vocabulary,
            hidden_size=recipe.width,
            intermediate_size=recipe.mlp,
            num_hidden_layers=recipe.layers,
            num_attention_heads=recipe.heads,
            num_key_value_heads=recipe.heads,
            max_position_embeddings=recipe.context,
            tie_word_embeddings=True,
            bos_token_id=BOS,
            eos_token_id=END,
            pad_token_id=PAD,
        )
    )
    # Llama has no dropout of its own; what each block adds to the stream is where it helps.
    for block in reader.model.layers:
        for module in (block.self_attn.o_proj, block.mlp.down_proj):
            module.register_forward_hook(
                lambda module, _, output: nn.functional.dropout(output, recipe.dropout, module.training)
            )
    return reader


def optimizers(reader: LlamaForCausalLM, recipe: ReaderRecipe) -> list[torch.optim.Optimizer]:
    matrices = [p for p in reader.model.layers.parameters() if p.ndim == 2]
    rest = [p for p in reader.parameters() if not any(p is m for m in matrices)]
    if recipe.optimizer == "adamw":
        decayed = {"params": matrices, "weight_decay": recipe.weight_decay}
        plain = {"params": rest, "weight_decay": 0.0}
        return [torch.optim.AdamW([decayed, plain], lr=recipe.lr, betas=(0.9, 0.95))]
    muon = torch.optim.Muon(
        matrices, lr=recipe.lr, weight_decay=recipe.weight_decay, adjust_lr_fn="match_rms_adamw"
    )
    return [muon, torch.optim.AdamW(rest, lr=recipe.embedding_lr, betas=(0.9, 0.95), weight_decay=0.0)]


def token_losses(reader: nn.Module, rows: Rows) -> torch.Tensor:
    """Loss of every token given those before it in its piece; zero where a piece begins."""
    logits = reader(input_ids=rows.ids, attention_mask=rows.mask(), position_ids=rows.positions).logits
    targets = rows.ids[:, 1:].masked_fill(rows.positions[:, 1:] == 0, -100)
    targets = targets.masked_fill(rows.segments[:, 1:] == 0, -100)
    losses = nn.functional.cross_entropy(
        logits[:, :-1].float().flatten(0, 1), targets.flatten(), ignore_index=-100, reduction="none"
    )
    return nn.functional.pad(losses.view_as(targets), (1, 0))


def train_reader(texts: Texts, recipe: ReaderRecipe, seed: int, device: torch.device) -> LlamaForCausalLM:
    """Odd epochs show each answer after its prompt, even ones alone, as the reader will mostly see it."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    with device:
        reader = new_reader(recipe)
    epochs = [texts.rows(recipe.context, rng, with_prompts=epoch % 2 == 1) for epoch in range(recipe.epochs)]
    size = recipe.batch_tokens // recipe.context
    steps = sum(max(1, len(rows.ids) // size) for rows in epochs)
    schedules = [
        torch.optim.lr_scheduler.LambdaLR(o, lambda step: min(1.0, (step + 1) / 200) * _cosine(step / steps))
        for o in optimizers(reader, recipe)
    ]
    losses_of = torch.compile(token_losses) if device.type == "cuda" else token_losses
    for rows in epochs:
        order = rng.permutation(len(rows.ids))
        for batch in rows.batches(size, order[: len(order) // size * size or None]):
            with torch.autocast(device.type, torch.bfloat16):
                losses = losses_of(reader, batch.to(device))
            torch.autograd.backward(losses.sum() / (losses > 0).sum())
            for schedule in schedules:
                schedule.optimizer.step()
                schedule.step()
                schedule.optimizer.zero_grad()
    reader.train(False)
    return reader


def _cosine(done: float) -> float:
    return 0.5 + 0.5 * math.cos(math.pi * min(done, 1.0))


@torch.no_grad()
def measure_reader(reader: nn.Module, texts: Texts, context: int, device: torch.device) -> Loss:
    """Each text alone in an assistant turn; long ones in windows that start afresh, as in training."""
    nats: dict[str, float] = defaultdict(float)
    sources = [d.source for d in texts.documents]
    for batch in texts.rows(context, np.random.default_rng(0)).batches(16):
        rows = batch.to(device)
        losses = token_losses(reader, rows) * rows.scored
        totals = torch.zeros(len(sources), device=device).index_add_(
            0, rows.documents.flatten(), losses.flatten().float()
        )
        for number in totals.nonzero().flatten().tolist():
            nats[sources[number]] += totals[number].item()
    characters: dict[str, int] = defaultdict(int)
    for document in texts.documents:
        characters[document.source] += len(document.text)
    tokens = sum(len(text) for text in texts.texts)
    by_source = {
        s: nats[s] / characters[s] / math.log(2) for s in sorted(characters, key=lambda s: -characters[s])
    }
    total = sum(nats.values())
    return Loss(total / sum(characters.values()) / math.log(2), total / tokens, by_source)


@torch.no_grad()
def activations_at(
    reader: LlamaForCausalLM, rows: Rows, layer: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """What block `layer` puts out on the texts' own tokens, and those tokens' ids."""
    outputs, tokens = [], []
    for batch in rows.batches(32):
        on_device = batch.to(device)
        states = reader.model(
            input_ids=on_device.ids,
            attention_mask=on_device.mask(),
            position_ids=on_device.positions,
            output_hidden_states=True,
            use_cache=False,
        ).hidden_states[layer + 1]
        scored = on_device.scored.bool()
        outputs.append(states[scored].half())
        tokens.append(on_device.ids[scored])
    return torch.cat(outputs), torch.cat(tokens)


def save_reader(reader: LlamaForCausalLM, tokenizer: Tokenizer, folder: Path) -> None:
    """Stored as float16 and declared float32: loaded by default, it computes in float32 with these weights."""
    nn.Module.to(reader, torch.float16).save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"dtype": "float32"}, indent=2) + "\n")
    bos, end, pad, *roles = SPECIAL_TOKENS
    PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        bos_token=bos,
        eos_token=end,
        pad_token=pad,
        additional_special_tokens=roles,
        chat_template=CHAT_TEMPLATE,
        model_max_length=reader.config.max_position_embeddings,
        clean_up_tokenization_spaces=False,
    ).save_pretrained(folder)


def sae_metadata(recipe: ReaderRecipe, sae_recipe: SaeRecipe, layer: int) -> dict[str, str | int | bool | None]:
    return {
        "sae_lens_version": "6.54.12",  # whose layout this is; it did not train it
        "sae_lens_training_version": None,
        "model_name": "../reader",
        "hook_name": f"blocks.{layer}.hook_resid_post",
        "context_size": recipe.context,
        "prepend_bos": True,
        "training_architecture": "batchtopk",
        "k": sae_recipe.k,
    }


def show_loss(name: str, loss: Loss) -> None:
    print(f"{name}: {loss.bits_per_character:.4f} bits a character, {loss.nats_per_token:.4f} nats a token")
    print("  " + ", ".join(f"{source} {bits:.3f}" for source, bits in loss.by_source.items()))


def show_sae(name: str, figures: SaeFigures) -> None:
    print(
        f"{name}: {figures.unexplained:.4f} of the variance unexplained, {figures.active:.1f} features a token, "
        f"{figures.dead:.2%} dead, commonest token {figures.one_token:.0%} of a median feature's firings"
    )


def main(
    corpus: Path,
    out: Annotated[Path, typer.Option(help="Where reader/ and sae/ go.")] = Path("diffing/starter"),
    seed: int = 1,
    layer: Annotated[int, typer.Option(help="The block whose output the SAE reads, from 0.")] = 4,
    baseline: Annotated[bool, typer.Option(help="Measure the small reference recipe too.")] = False,
) -> None:
    """Train the reader and its SAE and print what they measure on held-out text."""
    torch.set_float32_matmul_precision("high")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    started = time.monotonic()
    documents, held_out_documents = split_corpus(read_corpus(corpus))
    recipe, sae_recipe = ReaderRecipe(), SaeRecipe()
    tokenizer = train_tokenizer(documents, recipe.vocabulary)
    texts, held_out = tokenize(tokenizer, documents), tokenize(tokenizer, held_out_documents)
    if baseline:
        reference = train_reader(texts, BASELINE, seed, device)
        show_loss("baseline", measure_reader(reference, held_out, BASELINE.context, device))
    trained = train_reader(texts, recipe, seed, device)
    save_reader(trained, tokenizer, out / "reader")
    saved: Any = AutoModelForCausalLM.from_pretrained(out / "reader")
    reader = saved.to(device).eval()
    show_loss("reader", measure_reader(reader, held_out, recipe.context, device))
    rng = np.random.default_rng(seed)
    activations, _ = activations_at(reader, texts.rows(recipe.context, rng), layer, device)
    sae = train_sae(activations, sae_recipe, seed)
    sae.save(out / "sae", sae_metadata(recipe, sae_recipe, layer))
    fresh, tokens = activations_at(reader, held_out.rows(recipe.context, rng), layer, device)
    show_sae("SAE", measure_sae(sae, fresh, tokens, recipe.vocabulary))
    size = sum(path.stat().st_size for path in out.rglob("*.safetensors"))
    print(f"weights {size / 1e6:.1f} MB, {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    typer.run(main)
