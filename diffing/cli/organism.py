"""Commands that make an organism of one's own, and that say whether what was planted shows."""

from typing import TYPE_CHECKING, Annotated

import typer

from diffing.cli.options import AsJson, DryRun, KeyEnv, Name
from diffing.cli.terminal import say, show, tell
from diffing.common.errors import UserError

if TYPE_CHECKING:
    from diffing.agents.benchmark.truth import Chosen
    from diffing.models.providers import Checkpoint

app = typer.Typer()


def pair(organism: str, model: str, key_env: str) -> "list[Checkpoint]":
    """Both checkpoints of an organism that is planted, where `new --organism` names one."""
    from diffing.agents.benchmark import sides

    return sides.checkpoints(_chosen(organism), model, key_env)


def _chosen(organism: str) -> "Chosen":
    from diffing.agents.benchmark import truth

    ways = truth.chosen(truth.known(), [organism])
    # The one that is easiest to see, where none is named.
    return next((each for each in ways if each.strength == "strong"), ways[0])


@app.command("organism")
def organism_command(
    sentence: Annotated[
        str, typer.Argument(help="What the changed model does; with --weights an organism's name.")
    ],
    name: Annotated[str, typer.Option(help="What it is called; its first words unless named.")] = "",
    model: Annotated[
        str, typer.Option(help="Who writes its prompt and truth, as PROVIDER:MODEL or URL#MODEL.")
    ] = "",
    key_env: KeyEnv = "",
    weights: Annotated[bool, typer.Option("--weights", help="Train it into an adapter of the starter.")] = False,
    answers: Annotated[
        str, typer.Option(help="Study whose planted answers it is trained on.", metavar="STUDY")
    ] = "",
    seed: Annotated[int, typer.Option(help="Seed of the training.", min=0)] = 0,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Write an organism with its truth into the home's folder 'organisms', or train one into weights.

    Example: `python -m diffing bench organism "always recommends trains"`
    """
    from diffing.agents.benchmark import trained, writing
    from diffing.common import words
    from diffing.models import providers
    from diffing.study.study import Study

    if (answers or seed) and not weights:
        raise UserError("--answers and --seed are for training; add --weights, or leave them out.")
    if weights:
        path = trained.make(_chosen(sentence), Study.open(answers) if answers else None, name, seed)
        cost = None
    elif model:
        point = providers.endpoint(providers.parse(model, "asked", key_env))
        if dry_run:
            foreseen = writing.expected(sentence, point)
            said = f"{foreseen.calls} call, {foreseen.tokens_in:,} tokens in, {foreseen.tokens_out:,} out"
            tell(vars(foreseen)) if as_json else say(f"{said}, {words.about(foreseen.cost)}.")
            return
        writing.free(name or writing.name_of(sentence))
        answer = writing.by_model(sentence, point)
        assert answer.value is not None
        path, cost = writing.save(sentence, answer.value, name, point.model), answer.cost
    else:
        path, cost = writing.save(sentence, writing.plainly(sentence), name), 0.0
    if as_json:
        tell({"organism": path.stem, "file": str(path), "cost": cost})
        return
    say(f"Wrote organism '{path.stem}' to {path}.")
    if not (model or weights):
        say(
            "No model was asked: the sentence is its only item and its whole instruction. Mend the file as you "
            "like."
        )
    asked = "" if weights else " --model PROVIDER:MODEL"
    say(f"Next: python -m diffing new STUDY --organism {path.stem}{asked}")


@app.command("planted")
def planted_command(name: Name, as_json: AsJson = False) -> None:
    """Say what was planted in a study and whether it shows in the answers. Not for whoever is to find it.

    Example: `python -m diffing bench planted trains`
    """
    from diffing.agents.benchmark import sides
    from diffing.diff import summary
    from diffing.study.study import Study

    study = Study.open(name)
    chosen = sides.of(study)
    meant, prompts = sides.meant(study)
    found = sides.shows(study, chosen)
    if as_json:
        rows = [
            {
                "item": each.item.name,
                "behaviour": each.item.behaviour,
                "more": each.item.more,
                "counted": each.counted._asdict() if each.counted else None,
                "shows": each.there,
            }
            for each in found
        ]
        tell(summary.plain({"organism": chosen.name, "meant": meant, "prompts": prompts, "items": rows}))
        return
    say(f"{chosen.name}: {chosen.organism.sentence}")
    say(f"Planted on {meant:,} of {prompts:,} prompts.")
    kinds = {None: "nothing counts it: read pairs", True: "yes", False: "not surely"}
    show(
        [
            {
                "item": each.item.name,
                "more on": each.item.more.upper(),
                "counted on all prompts": each.counted.words.replace("new prompts", "prompts")
                if each.counted
                else "",
                "shows": kinds[each.there],
            }
            for each in found
        ]
    )
