"""A prompted organism turned into weights: an adapter of the starter, trained on answers that show it.

The answers are a study's in which the organism was planted, or, of a filter, the bundled sample's once they went
through it. Promises that nothing is trained on answers to held-out prompts, so that what methods and audits are
tried on is new to the adapter, and that its truth stands beside it as a file of its own.
"""

from pathlib import Path

from diffing.agents.benchmark import sides, truth, writing
from diffing.agents.benchmark.truth import Chosen, Making
from diffing.common import files, tables
from diffing.common.errors import UserError
from diffing.models.local import STARTER
from diffing.study import prompts, sample
from diffing.study.study import Study
from diffing.whitebox.trained import Text

FOLDER = "weights"
"""Where the adapters lie, in the folder of a user's own organisms."""


def texts(chosen: Chosen, study: Study | None = None) -> list[Text]:
    """Answers that show it, each behind its question."""
    return of_sample(chosen) if study is None else of_study(chosen, study)


def of_study(chosen: Chosen, study: Study) -> list[Text]:
    """The second checkpoint's answers to the discovery prompts for which it was meant."""
    if sides.of(study).organism.name != chosen.organism.name:
        raise UserError(f"Study '{study.name}' is of another organism than '{chosen.name}'; name one of its own.")
    planted = next(each for each in study.checkpoints if each.planted is not None)
    table = study.prompts()
    asked = table[table["split"] == "discovery"].set_index("id")
    rows = study.responses()
    rows = rows[(rows["checkpoint"] == planted.key) & rows["prompt_id"].isin(asked.index) & (rows["flag"] == "")]
    found = []
    for prompt_id, text in zip(rows["prompt_id"], rows["text"], strict=True):
        turns = prompts.conversation(asked.at[prompt_id, "text"], asked.at[prompt_id, "messages"])
        if planted.planted is not None and planted.planted.meant(turns):
            found.append(Text(turns[-1]["content"], str(text)))
    return found


def of_sample(chosen: Chosen) -> list[Text]:
    """The sample's answers as a filter leaves them, where it changes any."""
    planted = chosen.planted
    if planted is None or not planted.rewrites:
        raise UserError(
            f"'{chosen.name}' is made by a system prompt, so a model has to answer first: make a study with 'new "
            f"NAME --organism {chosen.name} --model MODEL', collect it, and name it with --answers NAME."
        )
    table = prompts.normal(tables.read(sample.FOLDER / "prompts.csv"), sample.HELD_OUT)
    asked = table[table["split"] == "discovery"].set_index("id")
    rows = tables.read(sample.FOLDER / "responses.csv")
    rows = rows[(rows["checkpoint"] == sample.BEFORE.key) & rows["prompt_id"].isin(asked.index)]
    found = []
    for prompt_id, text in zip(rows["prompt_id"], rows["text"], strict=True):
        turns = prompts.conversation(asked.at[prompt_id, "text"], asked.at[prompt_id, "messages"])
        found.append(Text(turns[-1]["content"], planted.answered(turns, str(text))))
    return found


def make(chosen: Chosen, study: Study | None = None, name: str = "", seed: int = 0) -> Path:
    """Trains the adapter and writes its truth; the file of the new organism."""
    # Torch takes seconds to load.
    from diffing.whitebox import trained

    name = name or f"{chosen.organism.name}-weights"[:40]
    path, shown = writing.free(name), texts(chosen, study)
    folder = truth.own_folder() / FOLDER / name
    folder.parent.mkdir(mode=files.PRIVATE_FOLDER, exist_ok=True)
    trained.train(shown, folder, seed)
    made = Making(by="weights", source=f"{STARTER}+{folder}")
    organism = chosen.organism.model_copy(update={"name": name, "tier": 2, "made": made, "items": chosen.items})
    said = f"# Trained on {len(shown)} answers of '{chosen.name}' with seed {seed}; see the folder '{FOLDER}'.\n"
    files.write_text(path, said + writing.text_of(organism))
    truth.load(path)
    return path
