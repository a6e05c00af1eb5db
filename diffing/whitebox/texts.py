"""Documents that both models of a pair read: where they come from, and which of their tokens count.

From a study's prompts and answers, a file (txt, jsonl), a data set of the Hugging Face Hub, or, with neither, from
the base itself, which writes them with a seed (marks of turns that it writes are a template's). Promises that no
token of a template and no first token counts, that a text is tokenised once and never decoded back, and that which
documents are held out hangs on their words (in a study: on the prompt's split), never on their order. Special
tokens spelled out in a text are read as plain text.
"""

import copy
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import torch
from pydantic import Field
from transformers import PreTrainedTokenizerBase

from diffing.common import files, hub
from diffing.common.errors import UserError
from diffing.common.paths import expanded
from diffing.common.step import Settings
from diffing.models.tokens import Framing
from diffing.models.whole import Whole
from diffing.study import prompts

if TYPE_CHECKING:
    from diffing.study.study import Study

VERSION = 1
"""Part of a pair's results: raised when the same text would give other tokens."""
Kind = Literal["text", "answer", "own"]


class Document(NamedTuple):
    """One text as both models read it."""

    name: str
    """Of the prompt and the checkpoint, or the text's place in its file."""
    ids: tuple[int, ...]
    start: int
    """Positions [start, stop) count; before them stand the first token, the template and the prompt."""
    stop: int
    kind: Kind
    held_out: bool


def key(documents: Sequence[Document]) -> str:
    """A hash of all of them that changes a number."""
    rows = [[list(d.ids), d.start, d.stop, d.held_out] for d in documents]
    return files.content_hash([VERSION, rows])


class Choice(Settings):
    """Which texts, and how much of them."""

    source: str = "auto"
    """`study`, `own`, a file, or `hf:DATA_SET[#column]`; `auto` takes the study's, else the base's own."""
    count: int = Field(default=256, ge=2, le=1_000_000)
    length: int = Field(default=64, ge=2, le=100_000)
    """Most tokens of a document that are read. As many as two cores read in minutes with every null; a GPU reads a
    hundred times that, and more texts find weaker changes."""
    held_out: float = Field(default=0.3, ge=0, lt=1)
    """Share of documents that confirm, as in a study."""
    seed: int = Field(default=0, ge=0)


class Maker:
    """Makes documents with a base's tokenizer."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, choice: Choice) -> None:
        self.choice = choice
        # As if without template for plain texts: what follows the first token is the text alone.
        self.plain = Framing(copy_of(tokenizer), choice.length)
        self.plain.template = None
        self.framed = Framing(copy_of(tokenizer), choice.length, "prompt+answer")

    def text(self, name: str, text: str, kind: Kind = "text") -> Document | None:
        """A plain text; None where nothing of it counts."""
        if not text.strip():
            return None
        return self._first(self.plain, name, [], text, kind, chosen(text, self.choice.held_out))

    def answer(self, name: str, messages: Sequence[Any], text: str, held_out: bool) -> Document | None:
        """An answer behind its prompt."""
        return self._first(self.framed, name, messages, text, "answer", held_out) if text.strip() else None

    def _first(
        self, framing: Framing, name: str, messages: Sequence[Any], text: str, kind: Kind, held_out: bool
    ) -> Document | None:
        """The window with which the text begins: a document is no longer than that."""
        window = framing.read(messages, text).windows[0]
        # Nothing predicts the first token, and what it is is the same everywhere.
        start = max(window.start, 1)
        if start >= window.stop:
            return None
        return Document(name, tuple(window.ids), start, window.stop, kind, held_out)


def gather(
    choice: Choice,
    tokenizer: PreTrainedTokenizerBase,
    whole: Whole,
    identity: Any,
    study: "Study | None" = None,
    check: Callable[[], None] = lambda: None,
) -> list[Document]:
    """The documents that a choice names; `identity` is the base's, under which its own texts are kept."""
    source = choice.source
    if source == "auto":
        source = "study" if study is not None and len(study.responses()) else "own"
    maker = Maker(tokenizer, choice)
    if source == "own":
        return own(choice, tokenizer, whole, identity, check)
    if source == "study":
        if study is None:
            raise UserError("There is no study to take texts from; name a file, hf:DATA_SET or 'own'.")
        found: Iterable[Document | None] = of_study(study, maker)
    elif source.startswith("hf:"):
        repo, _, column = source.removeprefix("hf:").partition("#")
        found = (maker.text(f"{repo} {n}", text) for n, text in enumerate(of_hub(repo, column or "text")))
    else:
        path = expanded(source)
        found = (maker.text(f"{path.name} {n}", text) for n, text in enumerate(of_file(path)))
    documents = []
    for document in found:
        check()
        if document is not None:
            documents.append(document)
        if len(documents) == choice.count:
            break
    if len(documents) < 2:
        raise UserError(f"'{source}' holds {len(documents)} texts that can be read, two are the least; add some.")
    return documents


def of_study(study: "Study", maker: Maker) -> Iterable[Document | None]:
    """Answers behind their prompts, every checkpoint's, the one after the other."""
    table = study.prompts()
    held = dict(zip(table["id"], table["split"] == "held-out", strict=True))
    asked = {row.id: prompts.conversation(row.text, row.messages) for row in table.itertuples()}
    rows = study.responses()
    kept = rows[(rows["error"] == "") & rows["prompt_id"].isin(list(held))]
    # By prompt, so that few documents still come from all checkpoints.
    for row in kept.sort_values(["prompt_id", "draw", "checkpoint"], kind="stable").itertuples():
        name = f"{row.prompt_id} {row.checkpoint}"
        yield maker.answer(name, asked[row.prompt_id], row.text, held[row.prompt_id])


def of_file(path: Path) -> Iterable[str]:
    """Paragraphs of a text file, or what stands in each line of a jsonl file under `text`."""
    if not path.is_file():
        raise UserError(f"There is no text file '{path}'; check the path.")
    if path.suffix not in (".txt", ".jsonl"):
        raise UserError(f"'{path.name}' is no .txt or .jsonl file; save the texts as one of them.")
    try:
        content = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"'{path.name}' is not UTF-8 ({error.reason}); save it as UTF-8.") from error
    if path.suffix == ".txt":
        yield from (part for part in content.split("\n\n") if part.strip())
        return
    for number, line in enumerate(content.splitlines(), 1):
        if line.strip():
            yield _line(path.name, number, line)


def _line(name: str, number: int, line: str) -> str:
    try:
        told = json.loads(line)
    except ValueError as error:
        raise UserError(f"Line {number} of '{name}' is no JSON ({error}); mend it.") from error
    text = told.get("text") if isinstance(told, dict) else told
    if not isinstance(text, str):
        raise UserError(f"Line {number} of '{name}' has no 'text'; give each line as {{\"text\": …}}.")
    return text


def of_hub(repo: str, column: str) -> Iterable[str]:
    """A column of a data set's Parquet files, from the local cache where it is there."""
    import pyarrow.parquet as pq

    found = sorted(hub.data_set(repo).rglob("*.parquet"))
    if not found:
        raise UserError(f"Data set '{repo}' has no Parquet files; save its texts as a .jsonl file.")
    for path in found:
        with pq.ParquetFile(path) as file:
            if column not in file.schema_arrow.names:
                columns = ", ".join(file.schema_arrow.names)
                raise UserError(f"Data set '{repo}' has no column '{column}'; name one after '#': {columns}.")
            for batch in file.iter_batches(1024, columns=[column]):
                yield from (text for text in batch.column(0).to_pylist() if isinstance(text, str))


def own(
    choice: Choice,
    tokenizer: PreTrainedTokenizerBase,
    whole: Whole,
    identity: Any,
    check: Callable[[], None] = lambda: None,
    whole_texts: bool = False,
) -> list[Document]:
    """Texts that the base writes itself from its first token on, at temperature 1; kept, so written once.

    Of each counts what stands `between` marks, unless they are wanted as they were drawn.
    """
    first = tokenizer.bos_token_id
    if first is None:
        first = tokenizer.eos_token_id
    if first is None:
        raise UserError("The base has no token that begins a text; name a file of texts instead.")
    asked = [identity, first, choice.count, choice.length, choice.seed, VERSION]
    kept = files.cache_dir("whitebox") / f"own-{files.content_hash(asked)}.json"
    if not kept.exists():
        files.write_json(kept, sampled(whole, [[first]], choice.count, choice.length, choice.seed, check))
    rows: list[list[int]] = files.read_json(kept)
    special = set() if whole_texts else set(tokenizer.all_special_ids)
    written = [(row, *between(row, special)) for row in rows]
    return [
        Document(f"own {n}", tuple(row[:stop]), start, stop, "own", chosen(row, choice.held_out))
        for n, (row, start, stop) in enumerate(each for each in written if each[1] < each[2])
    ]


def between(row: Sequence[int], special: set[int]) -> tuple[int, int]:
    """The part of what a model wrote that is text: behind its template's marks, up to the next of them.

    A tuned base writes those itself, as it does turns and their ends.
    """
    start = next((n for n in range(1, len(row)) if row[n] not in special), len(row))
    stop = next((n for n in range(start, len(row)) if row[n] in special), len(row))
    return start, stop


BATCH = 64
"""Texts written at once. No measurement stands behind it, but another number writes other texts."""


@torch.inference_mode()
def sampled(
    whole: Whole,
    prefixes: Sequence[Sequence[int]],
    count: int,
    length: int,
    seed: int,
    check: Callable[[], None] = lambda: None,
) -> list[list[int]]:
    """Token ids as the model goes on from prefixes of one length, taken in turn, at temperature 1, nothing cut.

    Whatever is switched on in the model takes part. A text ends with its end token.
    """
    ends = whole.causal.generation_config.eos_token_id
    stops = set(ends if isinstance(ends, list) else [ends]) - {None}
    room = min(length, whole.window)
    rows = []
    with torch.random.fork_rng(devices=[whole.device] if whole.device.type == "cuda" else []):
        torch.manual_seed(seed)
        for begin in range(0, count, BATCH):
            check()
            taken = [list(prefixes[n % len(prefixes)]) for n in range(begin, min(count, begin + BATCH))]
            given = torch.tensor(taken, device=whole.device)
            written = whole.causal.generate(
                input_ids=given,
                attention_mask=torch.ones_like(given),
                do_sample=True,
                temperature=1.0,
                top_k=0,
                top_p=1.0,
                max_length=room,
                pad_token_id=next(iter(stops), 0),
                use_cache=True,
            )
            rows += [_ended(row, len(taken[0]), stops) for row in written.tolist()]
    return rows


def _ended(row: list[int], prefix: int, stops: set[Any]) -> list[int]:
    stop = next((n for n in range(prefix, len(row)) if row[n] in stops), None)
    return row if stop is None else row[: stop + 1]


def chosen(text: Any, share: float) -> bool:
    """Whether a text is held out, by what it says."""
    return int(files.content_hash(text, 8), 16) / 16**8 < share


def copy_of(tokenizer: PreTrainedTokenizerBase) -> Any:
    """A tokenizer of its own: framing sets it up anew."""
    return copy.deepcopy(tokenizer)
