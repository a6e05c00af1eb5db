"""The command that lists organisms, variants whose change is known, and tells about one."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from diffing.cli.options import AsJson
from diffing.cli.terminal import paragraph, say, show, tell

if TYPE_CHECKING:
    from diffing.whitebox.organisms import Organism, Variant

app = typer.Typer()


@app.command("organisms")
def organisms_command(
    name: Annotated[
        str, typer.Argument(help="One of them; all unless named.", metavar="NAME[:MODEL[:VARIANT]]")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """List organisms: sets of weights of which it is known what was changed.

    Those of the model `starter` ship with the project; the others are downloaded when they are used.

    Example: `python -m diffing organisms cake_bake:Qwen3-1.7B`
    """
    from diffing.whitebox import organisms

    if name:
        _one(name, as_json)
        return
    rows = [_row(name, organism) for name, organism in organisms.registry().items()]
    if as_json:
        tell(rows)
        return
    show([row | {"models": ", ".join(row["models"])} for row in rows])


def _row(name: str, organism: "Organism") -> dict[str, Any]:
    models = list(dict.fromkeys(variant.model for variant in organism.variants))
    return {"organism": name, "kind": organism.kind, "models": models, "truth": organism.truth}


def _one(text: str, as_json: bool) -> None:
    from diffing.whitebox import organisms

    found = organisms.find(text)
    rows = [_variant(variant) for variant in organisms.chosen(text)]
    organism = found.organism
    if as_json:
        said = organism.model_dump(exclude={"variants"}) | {"organism": found.name, "variants": rows}
        tell(said)
        return
    paragraph(f"{found.name} ({organism.kind}). {organism.truth}")
    for fact in organism.facts:
        say(f"  - {fact}")
    if organism.trigger:
        paragraph(f"What brings it about: {organism.trigger}")
    if organism.controls:
        paragraph(f"Controls, made by the same recipe without it: {', '.join(organism.controls)}.")
    show([row | {"here": "yes" if row["here"] else "no"} for row in rows])


def _variant(variant: "Variant") -> dict[str, Any]:
    from diffing.whitebox import organisms

    notes = [f"{variant.mixed:g} ordinary texts for each of its own"] if variant.mixed is not None else []
    notes += ["trained on another base"] if variant.transplanted else []
    return {
        "model": variant.model,
        "variant": variant.name,
        "weights": variant.written,
        "here": organisms.here(variant.source),
        "note": "; ".join(notes),
    }
