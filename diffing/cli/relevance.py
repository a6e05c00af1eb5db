"""The command that has a judge say whether the lens's tokens fit what changed."""

from typing import Annotated, Any

import typer

from diffing.cli import keys
from diffing.cli.inside import Base, Variant
from diffing.cli.options import AsJson, Detach, KeyEnv, MaxDollars, MaxRequests, Name
from diffing.cli.terminal import do, paragraph, say, tell

app = typer.Typer()


@app.command("relevance")
def relevance_command(
    name: Name,
    judge: Annotated[str, typer.Option(help="Who is asked, as PROVIDER:MODEL or URL#MODEL.")],
    says: Annotated[
        str, typer.Option(help="What changed, in a sentence; the truth of the study's organism unless given.")
    ] = "",
    base: Base = "",
    variant: Variant = "",
    key_env: KeyEnv = "",
    max_dollars: MaxDollars = None,
    max_requests: MaxRequests = None,
    yes: Annotated[bool, typer.Option("--yes", help="Ask, and pay for it.")] = False,
    detach: Detach = False,
    as_json: AsJson = False,
) -> None:
    """Have a judge say how many of the lens's first tokens fit what changed, beside wrong descriptions and nulls.

    Without --yes it only says what that would cost.

    Example: `python -m diffing relevance bees --judge openrouter:google/gemini-2.5-flash --max-dollars 0.5 --yes`
    """
    from diffing.common import words
    from diffing.common.step import checked
    from diffing.findings import relevance
    from diffing.study.study import Study

    study = Study.open(name)
    keys.typed_model(judge, key_env)
    told: dict[str, Any] = dict(model=judge, description=says, base=base, variant=variant, key_env=key_env)
    told |= dict(max_dollars=max_dollars, max_requests=max_requests)
    options = checked("relevance", relevance.Options, told)
    if not yes:
        expected = relevance.estimate(study, options)
        if as_json:
            tell(vars(expected))
            return
        say(
            f"{expected.calls:,} lists would be sent to {options.who}: about {expected.tokens_in:,} tokens in and "
            f"{expected.tokens_out:,} out, {words.dollars(expected.cost)}. Nothing was asked; --yes asks."
        )
        return
    status = do(study, "relevance", options, detach, as_json=False)
    if status is None:
        return
    found = relevance.table(study, options)
    if as_json:
        tell(found.to_dict("records"))
        return
    for each in relevance.told(found):
        paragraph(each.words)
