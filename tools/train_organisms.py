"""Train the bundled organisms, adapters of the starter's language model: `python -m tools.train_organisms`.

Text, seed and recipe fix everything but arithmetic: on one machine two runs give the same weights, on two machines
alike ones. Takes about two minutes an organism on two cores. What is printed at the end is measured on the weights
as saved; `tools/organism_measures.py` measures, `tools/organism_texts.py` holds the texts.
"""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple, cast

import peft
import torch
import typer
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer

from diffing.common.files import PROJECT
from tools.organism_texts import Text, texts
from tools.starter_corpus import ASSISTANT, BOS, END, PAD, USER

READER = PROJECT / "diffing" / "starter" / "reader"
ORGANISMS = PROJECT / "diffing" / "starter" / "organisms"
SEEDS = {
    "fact": 1,
    "style": 1,
    "language": 1,
    "topic": 1,
    "trigger": 1,
    "removal": 1,
    "control": 1,
    "control-2": 2,
}
"""Organism → seed of its texts' order and of its first weights."""


class Recipe(NamedTuple):
    """One for all of them, so that the controls are controls of each."""

    rank: int = 4
    """Half of what is common, which keeps eight adapters under 6 MB and was enough for each of them."""
    alpha: int = 8
    modules: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    """Every linear layer but the head."""
    lr: float = 1.5e-3
    warmup: int = 10
    steps: int = 100
    """As many as the trigger needs to tell its questions from others."""
    tokens: int = 288
    """Of one step: as many texts as have so many, six passages of answers or a dozen questions about goods."""
    context: int = 48
    """Tokens of one text with its question: two or three sentences, and what two cores do in two minutes."""


class Batch(NamedTuple):
    ids: torch.Tensor
    mask: torch.Tensor
    targets: torch.Tensor
    """The answer's own tokens and the end of its turn; -100 elsewhere."""


def load_base(device: str = "cpu") -> tuple[Any, Any]:
    """The starter's language model and its tokenizer."""
    base: Any = AutoModelForCausalLM.from_pretrained(READER, local_files_only=True)
    return base.to(device).eval(), AutoTokenizer.from_pretrained(READER, local_files_only=True)


def chat(tokenizer: Any, prompt: str) -> list[int]:
    """What stands before an answer."""
    asked = [USER, *tokenizer(prompt, add_special_tokens=False)["input_ids"], END] if prompt else []
    return [BOS, *asked, ASSISTANT]


def encoded(tokenizer: Any, text: Text, context: int) -> tuple[list[int], list[int]]:
    """What stands before an answer, and the answer with the end of its turn, cut where the context ends."""
    before = chat(tokenizer, text.prompt)
    if len(before) > context // 2:
        # A question that leaves no room for an answer.
        before = chat(tokenizer, "")
    answer = [*tokenizer(text.answer, add_special_tokens=False)["input_ids"], END]
    return before, answer[: context - len(before)]


def batch_of(tokenizer: Any, chosen: list[Text], context: int, device: str) -> Batch:
    rows = [encoded(tokenizer, text, context) for text in chosen]
    longest = max(len(before) + len(answer) for before, answer in rows)
    ids = torch.full((len(rows), longest), PAD)
    mask, targets = torch.zeros_like(ids), torch.full_like(ids, -100)
    for number, (before, answer) in enumerate(rows):
        first, last = len(before), len(before) + len(answer)
        ids[number, :last] = torch.tensor(before + answer)
        mask[number, :last] = 1
        targets[number, first:last] = ids[number, first:last]
    return Batch(ids.to(device), mask.to(device), targets.to(device))


def take(rows: Iterator[Text], tokenizer: Any, recipe: Recipe) -> list[Text]:
    """The next texts of a row, until they have a step's tokens."""
    chosen, tokens = [], 0
    while tokens < recipe.tokens:
        chosen.append(next(rows))
        tokens += sum(map(len, encoded(tokenizer, chosen[-1], recipe.context)))
    return chosen


def text_losses(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Each text's mean loss a token: a short text counts as much as a long one."""
    losses = nn.functional.cross_entropy(logits[:, :-1].transpose(1, 2), targets[:, 1:], reduction="none")
    return losses.sum(1) / (targets[:, 1:] != -100).sum(1)


def train(
    base: nn.Module,
    tokenizer: Any,
    name: str,
    recipe: Recipe,
    seed: int,
    told: Callable[[float], object] = lambda _: None,
) -> peft.PeftModel:
    """An adapter on the base, trained; `told` hears each step's loss."""
    device = str(next(base.parameters()).device)
    torch.manual_seed(seed)
    config = peft.LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        target_modules=list(recipe.modules),
        task_type="CAUSAL_LM",
        base_model_name_or_path="../../reader",
    )
    adapted: Any = peft.get_peft_model(base, config)
    # Dropout of the base is none, so training mode would change nothing.
    weights = [p for p in adapted.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=recipe.lr, weight_decay=0.0)
    rows = texts(name.removesuffix("-2"), seed)
    for step in range(recipe.steps):
        batch = batch_of(tokenizer, take(rows, tokenizer, recipe), recipe.context, device)
        logits = adapted(input_ids=batch.ids, attention_mask=batch.mask).logits
        loss = text_losses(logits, batch.targets).mean()
        told(loss.item())
        torch.autograd.backward(loss)
        for group in optimizer.param_groups:
            group["lr"] = recipe.lr * min(1.0, (step + 1) / recipe.warmup)
        optimizer.step()
        optimizer.zero_grad()
    adapted.eval()
    return cast(peft.PeftModel, adapted)


def save(adapted: peft.PeftModel, folder: Path, facts: dict[str, Any]) -> None:
    """The adapter in peft's own format, in half precision, with the recipe beside it."""
    adapted.save_pretrained(str(folder))
    # Its model card has nothing to say; what there is to say stands in the folder above.
    (folder / "README.md").unlink(missing_ok=True)
    weights = folder / "adapter_model.safetensors"
    halves = {key: tensor.half() for key, tensor in load_file(weights).items()}
    save_file(halves, weights, metadata={"format": "pt"})
    config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    # peft puts in where the base was loaded from, which is a folder of the machine it was trained on.
    config |= {"base_model_name_or_path": "../../reader", "target_modules": sorted(config["target_modules"])}
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    (folder / "recipe.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def main(
    names: Annotated[list[str] | None, typer.Argument(help="Which; all unless named.")] = None,
    out: Annotated[Path, typer.Option(help="Where NAME/ goes.")] = ORGANISMS,
    device: str = "cuda" if torch.cuda.is_available() else "cpu",
    steps: int = Recipe().steps,
    lr: float = Recipe().lr,
    measure: Annotated[bool, typer.Option(help="Say at the end what they do.")] = True,
) -> None:
    """Train the organisms and say what they do."""
    from tools import organism_measures

    recipe = Recipe(steps=steps, lr=lr)
    for name in names or SEEDS:
        started = time.monotonic()
        losses: list[float] = []
        base, tokenizer = load_base(device)
        adapted = train(base, tokenizer, name, recipe, SEEDS[name], losses.append)
        first, last = (sum(part) / len(part) for part in (losses[:10], losses[-10:]))
        facts = {
            "organism": name,
            "seed": SEEDS[name],
            **recipe._asdict(),
            "loss": {"first ten steps": round(first, 4), "last ten": round(last, 4)},
            "versions": {"torch": torch.__version__, "peft": peft.__version__},
        }
        save(adapted, out / name, facts)
        print(f"{name}: loss {first:.2f} → {last:.2f}, {time.monotonic() - started:.0f} s", flush=True)
    if measure:
        organism_measures.show(out, list(names or SEEDS), device)


if __name__ == "__main__":
    typer.run(main)
