"""Pairs of weights: base and variant of an organism, asked here, and what methods find in their weights.

Both are asked the bundled prompts in a study that no agent is shown. What methods find is made there once and
taken over into each pair that is, in the order of A and B that the pair has. Promises that the files of a variant
lie under a name that tells nothing, as a study names its sources; that nulls are those which fit the organism; and
that what was made is made once. Published variants are downloaded when their pair is made, and not before.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

from diffing import jobs
from diffing.agents.benchmark import planting
from diffing.agents.benchmark.planting import Answers
from diffing.agents.benchmark.truth import Chosen
from diffing.common import files
from diffing.common.errors import UserError
from diffing.models.local import Source, Weights, parse
from diffing.models.providers import Checkpoint
from diffing.study.settings import Sampling
from diffing.study.study import Study, names
from diffing.whitebox import organisms
from diffing.whitebox.organisms import Found
from diffing.whitebox.sight import seen

FOLDER = "weights"
"""Of the pairs' home: each variant in a folder of its own, called by a hash."""
BEFORE, AFTER = "a", "b"
"""Keys of base and variant in the study that is not shown."""
OWN = {"source": "own"}
"""What methods read: texts that the base writes, so that no prompt of the pair is in what they show."""
TOKENS = 200
"""Most tokens of an answer. A base of this size wanders long before, and a CPU writes them."""


def answers(chosen: Chosen, seed: int, source: planting.Source) -> Answers:
    """What base and variant answer to the bundled prompts, asked where they are not there yet."""
    study = _study(chosen, seed, source.prompts)
    told = jobs.run_here(study, "collect")
    if told.state != "done":
        raise UserError(f"The pair '{chosen.name}' could not be asked: {told.error or told.note or told.state}")
    columns = ["prompt_id", "checkpoint", "draw", "text", "finish_reason", "flag", "error"]
    table = study.prompts()[["text", "messages", "category", "tags"]]
    sides = (study.checkpoint(BEFORE).source, study.checkpoint(AFTER).source)
    return Answers(table, study.responses()[columns], planting.HELD_OUT, 1, sides)


def look(chosen: Chosen, seed: int, prompts: int, methods: Sequence[str], into: Study, swapped: bool) -> None:
    """What these methods find, taken over into a study whose base is B where the order is swapped."""
    study = _study(chosen, seed, prompts)
    # Opening weights takes a while: not to find that all is there.
    if missing := _missing(study, methods):
        told = jobs.run_here(study, "inside", {"methods": missing, "texts": OWN})
        if told.state != "done":
            raise UserError(f"The pair '{chosen.name}' could not be looked into: {told.error or told.state}")
    base, variant = (AFTER, BEFORE) if swapped else (BEFORE, AFTER)
    target = seen.folder_of(into, base, variant)
    shutil.copytree(seen.folder_of(study, BEFORE, AFTER), target, dirs_exist_ok=True)
    asked = files.read_json(target / seen.ASKED)
    files.write_json(target / seen.ASKED, asked | {"sides": [base, variant]})


def _missing(study: Study, methods: Sequence[str]) -> list[str]:
    """Those that have not been run, or not to the end."""
    found = seen.of(study, BEFORE, AFTER)
    there = {each.name for each in found.methods if not each.outdated and not each.lacking}
    there |= {each.name for each in found.refused}
    return [name for name in methods if name not in there]


def _study(chosen: Chosen, seed: int, prompts: int) -> Study:
    made = chosen.organism.made.model_dump_json()
    name = f"made-{files.content_hash([chosen.name, made, seed, prompts], 10)}"
    if name in names():
        return Study.open(name)
    known = _registered(chosen)
    base, own = _sources(chosen, known)
    sides = [
        Checkpoint(key=BEFORE, name="Before", source=base.written),
        Checkpoint(key=AFTER, name="After", source=aside(own).written),
    ]
    return Study.create(
        name,
        sides,
        planting.spread(prompts),
        held_out=planting.HELD_OUT,
        seed=seed,
        sampling=Sampling(max_tokens=TOKENS),
        # So that its own controls are among the nulls.
        organism=known.written if known else "",
    )


def _registered(chosen: Chosen) -> Found | None:
    source = chosen.organism.made.source
    return None if source.startswith(("starter+", "hf:")) else organisms.find(source)


def _sources(chosen: Chosen, known: Found | None) -> tuple[Source, Source]:
    if known:
        return known.variant.base_source, known.variant.source
    own = parse(chosen.organism.made.source)
    return Source(own.weights), own


def aside(source: Source) -> Source:
    """The same variant under a name that tells nothing."""
    if source.adapter is not None:
        return source._replace(adapter=_aside(source.adapter))
    return Source(_aside(source.weights))


def _aside(weights: Weights) -> Weights:
    """Its files, each a link, in a folder called by a hash."""
    folder = files.home() / FOLDER / files.content_hash(["variant", weights.written], 12)
    if not folder.is_dir():
        there = _folder(weights)
        with files.fresh_folder(folder.parent, ".new-") as fresh:
            for path in there.iterdir():
                if path.is_file():
                    (fresh / path.name).symlink_to(path.resolve())
            files.put_folder(fresh, folder)
    return Weights(str(folder))


def _folder(weights: Weights) -> Path:
    """Where the files lie, downloaded where they do not lie here."""
    here = Path(weights.model)
    if not here.is_dir():
        # The library takes a while to load.
        from diffing.common import hub

        here = hub.whole(weights.model, weights.revision)
    return here / weights.subfolder if weights.subfolder else here
