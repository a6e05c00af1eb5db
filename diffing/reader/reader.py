"""The reader: a language model up to a hook, its tokenizer, and an SAE, as one thing that encodes text.

Holds loading, the content key, and the self-check. Promises the activations that a forward hook on the whole
model followed by SAELens's `encode` gives, up to rounding, for whatever batch a text comes in: in float32 to 1e-4
of the largest, and a feature nearer than that to its bar may be active or not. Importing it takes seconds:
import it where a reader is used.
"""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from diffing.common import files, hub
from diffing.common.errors import UserError
from diffing.common.paths import expanded
from diffing.models import forward, hooks, packed, tokens, weights
from diffing.models.forward import Forward
from diffing.models.tokens import Framing, Message, Reading
from diffing.models.weights import ModelFiles
from diffing.reader import presets, sae, sparsify
from diffing.reader.sae import SaeFacts
from diffing.study.settings import ReaderChoice

log = logging.getLogger(__name__)

LONGEST = 2048
"""Window where the SAE does not say what it was trained on: longer than most answers. Chosen by eye."""
CHECKED_TEXTS = 200
"""Texts tried at least, where there are as many: the share over the window is then known within a few points."""
CHECKED_TOKENS = 16_384
"""Answer tokens that L0 and unexplained variance come from: a second or two of the starter on a CPU."""
L0_FACTOR = 5
"""How far L0 may lie from what was published, either way.

Other texts than the SAE's own change it, a wrong model or layer changes it far more. Chosen by eye; no measurement
stands behind it.
"""


class Reader:
    """A loaded reader."""

    def __init__(
        self, key: str, model: Forward, dictionary: Any, facts: SaeFacts, framing: Framing, model_files: ModelFiles
    ) -> None:
        self.key = key
        self.forward = model
        self.sae = dictionary
        self.facts = facts
        self.framing = framing
        self.model_files = model_files
        self.window = framing.window
        self.n_features = int(dictionary.cfg.d_sae)
        self.d_in = int(dictionary.cfg.d_in)
        # TransformerLens centres only where a LayerNorm follows, and heads write through what is centred.
        self.centred = (
            facts.centred and isinstance(model.final_norm, torch.nn.LayerNorm) and model.hook.kind != "z"
        )
        self.passes = packed.Packed(model) if packed.fits(model, self.window) else model
        """The forward pass that `hidden` takes."""
        self.d_model = int(model.config.hidden_size)
        self.device = model.device
        self._unembedding: Tensor | None = None
        self.dtype: torch.dtype = next(model.model.parameters()).dtype

    @classmethod
    def load(cls, choice: ReaderChoice, device: str = "auto", dtype: str = "auto") -> "Reader":
        """Load what the choice names, from disk where it is there; the network only for what is missing."""
        source = presets.resolve(choice)
        where = pick_device(device)
        numbers = pick_dtype(dtype, where)
        if source.sae:
            dictionary, facts = sae.load_folder(expanded(source.sae))
        else:
            dictionary, facts = sae.load_release(source.release, source.sae_id)
        model = source.model or facts.model
        if not model:
            raise UserError("The SAE does not say which model it was trained on; name the reader's model too.")
        hook = hooks.parse_hook(facts.hook)
        model_files = weights.find(model, hook, facts.model_revision)
        window = window_of(model_files.config, facts)
        framing = Framing(load_tokenizer(model_files.folder), window, choice.context, facts.prepend_bos)
        # Before the weights are read: what does not fit should cost no minutes.
        fit(hooks.width(model_files.config, hook), dictionary, facts, model)
        loaded = forward.load(model_files, hook, where, numbers)
        key = files.content_hash(
            {
                # A local folder by its content, so that moving or copying it loses no encodings.
                "model": [model, model_files.revision] if model_files.revision else model_hashes(model_files),
                "sae": facts.identity,
                "hook": [hook.layer, hook.kind, facts.centred],
                "dtype": str(numbers),
                "context": choice.context,
                "window": window,
                "bos": facts.prepend_bos,
                "framing": tokens.VERSION,
            }
        )
        # The arithmetic is the reader's own: SAELens's reshaping is for heads that lie apart.
        dictionary.turn_off_forward_pass_hook_z_reshaping()
        return cls(key, loaded, dictionary.to(device=where, dtype=numbers), facts, framing, model_files)

    def read(self, messages: Sequence[Message], answer: str) -> Reading:
        """The answer's tokens in windows; `messages` is the prompt, read only for context 'prompt+answer'."""
        return self.framing.read(messages, answer)

    def hidden(self, ids: Sequence[Sequence[int]]) -> Tensor:
        """Hook activations of every token, one sequence after another: [total tokens, d_in]."""
        seen = self.passes(ids)
        return seen - seen.mean(dim=-1, keepdim=True) if self.centred else seen

    def sparse(self, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Active features as (row, feature, value in float32), by row then feature, on the reader's device."""
        return sparsify.sparse(self.sae, hidden)

    def unexplained(self, hidden: Tensor) -> float:
        """Share of the variance at the hook that is missing from what the SAE gives back."""
        return sparsify.unexplained(self.sae, hidden)

    def check(
        self,
        answers: Sequence[str],
        prompts: Sequence[Sequence[Message]] | None = None,
        look: Callable[[], None] = lambda: None,
    ) -> "ReaderCheck":
        """Try the reader on a study's own texts; `ReaderCheck.require` makes an error of what does not fit.

        `look` is called before each text is read, and may raise to end it.
        """
        return check(self, answers, prompts, look)

    def decoder(self) -> Tensor:
        """What each feature writes: [n_features, d_in]."""
        return self.sae.W_dec.detach()  # type: ignore[no-any-return]

    def written(self, features: Sequence[int]) -> Tensor:
        """What features add to the model's last norm's output: decoder rows at one length, through that norm."""
        rows = self.decoder()[torch.tensor(features, device=self.device)].float()
        if self.forward.hook.kind == "z":
            rows = self.forward.through_heads(rows)
        # At this length the norm's epsilon, meant for whole residuals, plays no part.
        rows = rows / rows.norm(dim=-1, keepdim=True).clamp(min=1e-12) * self.d_model**0.5
        rows = rows.to(self.dtype)
        norm = self.forward.final_norm
        # What the norm adds to anything is no feature's doing.
        bias: Tensor = norm(torch.zeros_like(rows[:1]))
        through: Tensor = norm(rows)
        return through - bias

    def unembedding(self) -> Tensor:
        """One row a token: [vocabulary, d_model]; the only tensor read for it, unless it is the embedding's."""
        if self._unembedding is None:
            head = weights.unembedding(self.model_files)
            self._unembedding = (self.forward.embedding if head is None else head).to(self.device, self.dtype)
        return self._unembedding


class Checkable(Protocol):
    """A reader that knows what is usual of it."""

    facts: SaeFacts
    framing: Framing
    n_features: int

    def read(self, messages: Sequence[Message], answer: str) -> Reading: ...
    def hidden(self, ids: Sequence[Sequence[int]]) -> Tensor: ...
    def sparse(self, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]: ...
    def unexplained(self, hidden: Tensor) -> float: ...


class ReaderCheck(NamedTuple):
    """What a reader gives on texts that it is about to read."""

    texts: int
    """Texts tried."""
    unread: int
    """Of these, such as cannot be read at all."""
    tokens: int
    """Answer tokens that the figures below come from."""
    l0: float
    """Features active per token."""
    usual_l0: float | None
    unexplained: float
    """Share of the variance of what it reads that it does not give back."""
    over_window: float
    """Share of texts that need more than one window."""
    notes: list[str]
    faults: list[str]

    def require(self) -> None:
        """Raise what is wrong, if anything is."""
        if self.faults:
            raise UserError(
                f"The reader does not fit these texts: {'; '.join(self.faults)}; choose another reader."
            )


def check(
    reader: Checkable,
    answers: Sequence[str],
    prompts: Sequence[Sequence[Message]] | None,
    look: Callable[[], None],
) -> ReaderCheck:
    """Read a sample spread over the texts and hold L0 and unexplained variance against what is usual."""
    chosen = range(0, len(answers), max(1, len(answers) // CHECKED_TEXTS))
    counted, reasons, over = [], [], 0
    for number in chosen:
        look()
        try:
            reading = reader.read(prompts[number] if prompts else [], answers[number])
        except UserError as error:
            reasons.append(str(error))
            continue
        # Of each text no more than its first window: one that is long and degenerate does not speak for all.
        counted.append(reading.windows[0])
        over += len(reading.windows) > 1
    if not counted:
        raise UserError(
            f"None of the {len(chosen)} texts tried can be read: {reasons[0] if reasons else 'no texts'}"
        )
    seen: list[Tensor] = []
    # From the first on, until there are enough tokens: answers come ordered by a hash of their prompt, so these
    # are of all kinds.
    for window in counted:
        look()
        seen.append(reader.hidden([window.ids])[window.start : window.stop])
        if sum(map(len, seen)) >= CHECKED_TOKENS:
            break
    hidden = torch.cat(seen)
    l0 = len(reader.sparse(hidden)[0]) / len(hidden)
    left = reader.unexplained(hidden)
    usual = reader.facts.usual_l0
    # Nothing published: less than one feature a token is no reading, more than a quarter of all is not sparse.
    # Both were chosen by eye.
    low, high = (usual / L0_FACTOR, usual * L0_FACTOR) if usual else (1.0, max(1.0, reader.n_features / 4))
    faults = []
    if not low <= l0 <= high:
        known = f"{usual:g} are usual" if usual else f"{low:g} to {high:g} would be believable"
        faults.append(f"{l0:.3g} features are active per token where {known}")
    # Written so that NaN is a fault too.
    if not left < 1:
        faults.append(f"its reconstruction is worse than the mean ({left:.3g} of the variance unexplained)")
    notes = [*reader.facts.notes, *sorted(reader.framing.notes)]
    if reasons:
        notes.append(f"{len(reasons)} of {len(chosen)} texts cannot be read, the first because: {reasons[0]}")
    return ReaderCheck(len(chosen), len(reasons), len(hidden), l0, usual, left, over / len(counted), notes, faults)


def pick_device(device: str) -> torch.device:
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise UserError(f"'{device}' is no device; use 'auto', 'cpu', 'cuda' or 'cuda:0'.") from error
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise UserError("No CUDA GPU is to be seen here; use device 'cpu' or 'auto'.")
    return chosen


def pick_dtype(dtype: str, device: torch.device) -> torch.dtype:
    known = {"float32": torch.float32, "bfloat16": torch.bfloat16}
    if dtype == "auto":
        # A GPU multiplies bfloat16 many times as fast; most CPUs do not, and there float32 costs only memory.
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    if dtype not in known:
        raise UserError(f"'{dtype}' is no number format for a reader; use 'auto', 'float32' or 'bfloat16'.")
    return known[dtype]


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (ValueError, OSError, KeyError, TypeError) as error:
        raise UserError(f"The tokenizer in '{folder}' cannot be loaded: {error}") from error


def window_of(config: Any, facts: SaeFacts) -> int:
    """As much as the SAE was trained on at once: past that, its features and the model's positions drift."""
    # Models with relative positions name no largest one.
    limits = [facts.context_size or LONGEST, getattr(config, "max_position_embeddings", None) or LONGEST]
    return int(min(limits))


def fit(width: int, dictionary: Any, facts: SaeFacts, model: str) -> None:
    if width != dictionary.cfg.d_in:
        trained_on = f" ({facts.model})" if facts.model else ""
        raise UserError(
            f"The SAE takes {dictionary.cfg.d_in} numbers a token, but {facts.hook} of '{model}' gives {width}; "
            f"choose the model that it was trained on{trained_on}."
        )


def model_hashes(model_files: ModelFiles) -> list[str]:
    """Hashes of a local model's files that change an encoding."""
    small = [model_files.folder / name for name in ("config.json", *weights.TOKENIZER_FILES)]
    return [hub.file_hash(path) for path in [*small, *model_files.files] if path.exists()]
