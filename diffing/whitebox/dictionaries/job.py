"""The step `dictionary`: a difference SAE or a crosscoder of two checkpoints of a study, trained, named and kept.

Both models read the texts up to one layer; what they give is learnt from while it flows, or, where few texts are
read again and again, from a copy on disk that is read instead of the models. Promises that what it will take is
told before it is done (`plan`); that a training which was cancelled or killed goes on where its last state stands,
on a CPU to the same weights bit for bit; and that its curves can be read while it learns. A name holds one
training: other settings need another name. What latents do is `described`.
"""

import json
import time
from pathlib import Path

import torch

from diffing.common import damage, files, words
from diffing.common.errors import UserError
from diffing.common.step import Progress, Result
from diffing.study.study import Study, held
from diffing.whitebox.activations import kept
from diffing.whitebox.activations.corpus import Corpus
from diffing.whitebox.activations.norms import Norms
from diffing.whitebox.activations.several import Several
from diffing.whitebox.activations.source import Passes, Source
from diffing.whitebox.activations.stream import Stream
from diffing.whitebox.dictionaries import described, shelf
from diffing.whitebox.dictionaries import files as weights
from diffing.whitebox.dictionaries.dictionary import Dictionary
from diffing.whitebox.dictionaries.latents import Unfit
from diffing.whitebox.dictionaries.plan import Options, Plan, Watched, planned
from diffing.whitebox.dictionaries.shape import BASE, VARIANT, Scale, Shape
from diffing.whitebox.dictionaries.training import Training
from diffing.whitebox.pairs import opening

__all__ = ["Options", "run"]


def run(study: Study, options: Options, progress: Progress) -> Result:
    """Train what is not trained yet, and say what its latents do."""
    progress.update(0, 0, note="opening the pair")
    plan = planned(study, options, progress.check, progress.log)
    name = options.called
    if shelf.exists(study, name):
        if shelf.facts(study, name).key != plan.facts.key:
            raise UserError(
                f"Study '{study.name}' has a dictionary '{name}' of other settings, texts or weights; give this "
                f"one another name, or remove that ('dictionary {study.name} --remove {name}')."
            )
        progress.log(f"Dictionary '{name}' is trained already.")
        _live(plan).unlink(missing_ok=True)
    else:
        progress.log(plan.told)
        plan.check()
        with held(study.folder):
            (study.folder / shelf.FOLDER).mkdir(mode=files.PRIVATE_FOLDER, exist_ok=True)
        with damage.told():
            trained(plan, progress)
    dictionary = weights.load(shelf.folder(study, name)).to(plan.pair.device, torch.float32)
    if not described.done(shelf.folder(study, name)):
        describe(plan, dictionary, progress)
    facts, curves = shelf.facts(study, name), shelf.curves(study, name)
    last = curves.iloc[-1]
    return {
        "name": name,
        "kind": facts.kind,
        "latents": facts.latents,
        "tokens": facts.tokens,
        **{key: round(float(last[key]), 4) for key in ("loss", "active", "dead")},
        **{key: round(float(last[key]), 4) for key in curves if key.startswith("explained")},
    }


def trained(plan: Plan, progress: Progress) -> None:
    """Learn, with the curves so far in a file beside the state."""
    # The last device learns: it has the fewest texts read on it, as its readers wait while it does.
    others = [] if plan.keeps else elsewhere(plan)
    device = others[-1] if others else plan.pair.device
    source = _put_down(plan, progress) if plan.keeps else _passes(plan, others, progress)
    stream = Stream(source, plan.stream, device, progress.check)
    progress.update(0, 0, note="measuring activations")
    scale = scale_of(stream.norms["text"], plan.shape)
    learning = Training(stream, plan.steps, scale, plan.recipe, plan.place, device)
    live = _live(plan)
    # Written anew: after a kill it may have rows of steps that are learnt again.
    files.write_text(live, "".join(map(_line, learning.rows)))
    total, begun = plan.facts.tokens, time.monotonic()

    def look(row: dict[str, float]) -> None:
        with open(live, "ab", opener=files.private) as file:
            # One writing, so that whoever reads meanwhile finds whole lines but for the last.
            file.write(_line(row).encode())
        explained = row["explained_difference"]
        note = f"loss {row['loss']:.4g}, {explained:.0%} of the difference explained, {row['dead']:.0%} dead"
        progress.update(int(row["tokens"]), total, "tokens", note=note)

    progress.update(learning.learner.tokens, total, "tokens")
    learning.run(progress.check, look)
    progress.log(f"Learnt in {words.duration(time.monotonic() - begun)}.")
    live.unlink(missing_ok=True)


def elsewhere(plan: Plan) -> list[torch.device]:
    """Further GPUs that read too, where nobody named one and both models are on the first together."""
    if plan.options.device != "auto" or plan.pair.device.type != "cuda" or plan.pair.apart:
        return []
    return [torch.device("cuda", number) for number in range(1, torch.cuda.device_count())]


def _passes(plan: Plan, others: list[torch.device], progress: Progress) -> Source:
    """Both models' passes, on each device by a pair of its own."""
    if not others:
        return plan.source
    progress.log(f"{words.count(len(others) + 1, 'device')} read, and the last of them learns.")
    sources, dtype = plan.facts.sources, plan.options.dtype
    copies = [opening.open_pair(*sources, str(device), dtype, progress.log) for device in others]
    return Several([plan.source, *(Passes(copy, plan.corpus, plan.source.layers) for copy in copies)])


def _live(plan: Plan) -> Path:
    """The curves so far."""
    return plan.place.folder.parent / f"{plan.options.called}{shelf.CURVES}"


def _line(row: dict[str, float]) -> str:
    return json.dumps(row, allow_nan=False) + "\n"


def _put_down(plan: Plan, progress: Progress) -> Source:
    """Activations on disk, in place of both models."""
    read, total = 0, plan.corpus.tokens

    def told(count: int) -> None:
        nonlocal read
        read += count
        progress.update(read, total, "tokens", note="both models read")

    told(0)
    plan.source.told = told
    return kept.keep(plan.source, check=progress.check, tell=progress.log)


def scale_of(norms: Norms, shape: Shape) -> Scale:
    """The scale by a stream's figures, as `shape.scale_of` has it of a sample."""
    mean, power = norms.mean[0], norms.rms[0].square()
    if shape.sides == 1:
        mean, power = (mean[VARIANT] - mean[BASE])[None], norms.difference[:1].square()
    if not bool((power > 0).all()):
        raise UserError(
            "The two models' activations differ by nothing at this layer, or are all alike; choose a higher "
            "layer, or check that the pair is the right one."
        )
    if shape.difference:
        power = power.mean().expand(shape.sides)
    return Scale(mean, power.rsqrt())


def describe(plan: Plan, dictionary: Dictionary, progress: Progress) -> None:
    """Tables and directions of the latents, from texts of both kinds."""
    documents = [plan.documents[n] for n in described.chosen(plan.documents)]
    read, total = 0, sum(len(document.ids) for document in documents)

    def told(count: int) -> None:
        nonlocal read
        read += count
        progress.update(read, total, "tokens", note="what latents do")

    told(0)
    source = Watched(plan.pair, Corpus(documents), plan.source.layers)
    source.told = told
    name = plan.options.called
    try:
        described.describe(shelf.folder(plan.study, name), dictionary, source, documents, progress.check)
    except Unfit as error:
        raise UserError(
            f"Dictionary '{name}' is trained and kept, but not fit for texts that it did not learn from: "
            f"{error.fault[0].lower()}{error.fault[1:]}; train one on more texts, or with fewer latents."
        ) from error
