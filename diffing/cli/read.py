"""Commands that read answers with a reader, and show what it read."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from diffing.cli.options import AsJson, Channel, Columns, Context, Detach, GpusEach, Join, Name, On, Part, Reader
from diffing.cli.terminal import alone, busy, do, pairs, say, show, tell
from diffing.common.errors import UserError
from diffing.common.paths import expanded

if TYPE_CHECKING:
    from diffing.study.settings import ReaderChoice
    from diffing.study.study import Study

app = typer.Typer()

Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]


def choice(text: str, context: str, now: "ReaderChoice", study: "Study | None" = None) -> "ReaderChoice":
    """A reader as it is written on the command line; what is left out stays as the study has it."""
    from diffing.reader.presets import PRESETS
    from diffing.study.settings import ReaderChoice
    from diffing.whitebox.dictionaries import readers

    if readers.is_trained(text):
        return readers.choice(text, study, context)
    if text and "::" in text:
        model, sae = text.split("::", 1)
        chosen = ReaderChoice(preset="", model=model, sae=sae, context=now.context)
    elif text and text not in {preset.name for preset in PRESETS} and "/" in text:
        release, sae_id = text.split("/", 1)
        chosen = ReaderChoice(preset="", release=release, sae_id=sae_id, context=now.context)
    else:
        chosen = ReaderChoice(preset=text, context=now.context) if text else now
    return chosen.model_copy(update={"context": context}) if context else chosen


@app.command()
def encode(
    name: Name,
    reader: Reader = "",
    context: Context = "",
    channel: Channel = "text",
    own: Annotated[
        bool, typer.Option("--own", help="Make it the study's own reader, where another one is that by now.")
    ] = False,
    device: Device = "auto",
    prompts: Annotated[
        int | None, typer.Option("--prompts", help="Read the answers to so many prompts first.", min=1)
    ] = None,
    positions: Annotated[
        int | None,
        typer.Option("--positions", help="Of so many answers keep where features fire: 20,000.", min=1),
    ] = None,
    share: Part = "",
    join: Join = False,
    on: On = "",
    gpus_each: GpusEach = 1.0,
    detach: Detach = False,
    as_json: AsJson = False,
) -> None:
    """Read the answers with a reader; what the cache has is not read again.

    The first reader is the study's own, whose diff is shown; what another one sees is kept beside, to be held
    against it.

    The text of answers is read, or with --channel their reasoning or calls of tools, where they have any.

    Of a study of over 20,000 answers (or --positions) it is kept of so many on which tokens features fire, and of
    the others a summary, from which the same figures come, in a quarter of the space.

    With --prompts a part is read, a sample by the prompts' hashes: `diff` compares what is read, and `encode`
    without it reads the rest.

    With --share K/N this process reads one of N shares, and so may others at the same time, on other machines too;
    --join then brings them together. With --on a Ray cluster reads.

    Example: `python -m diffing encode flash --reader llama-3.1-8b --device cuda`
    """
    from diffing.common import words
    from diffing.reader import places, presets
    from diffing.study.study import Study

    opened = Study.open(name)
    chosen = presets.check(choice(reader, context, opened.settings.reader, opened))
    # Shares change no settings: several do so at once, and no lock holds on a network disk.
    if chosen != opened.settings.reader and not share and (own or not places.encoded(opened)):
        opened.change_settings(reader=chosen)
    options: dict[str, Any] = {"device": device} | ({} if prompts is None else {"prompts": prompts})
    options |= {} if positions is None else {"positions": positions}
    beside = chosen != opened.settings.reader
    options |= places.for_step(opened.read_by(chosen).through(channel))
    options |= {"on": on, "gpus_each": gpus_each} if on else {}
    if share:
        _read_share(opened, options, share, join or detach or bool(on), as_json)
        return
    if join:
        options["join"] = True
    status = do(opened, "encode", options, detach, as_json)
    if status is None or as_json:
        return
    result = status.result or {}
    say(
        f"{status.state}: {result.get('documents', 0):,} answers, {result.get('failed', 0)} could not be read, "
        f"{words.duration(status.seconds)}."
    )
    if channel != "text":
        say(f"'answer {name} --channel {channel}' says what changed in it.")
    if beside:
        whose = presets.named(opened.settings.reader)
        say(
            f"Kept beside what the study's own reader ({whose}) saw: after `diff {name} --reader "
            f"{presets.written(chosen)}`, `answer` says what both see. --own makes it the study's own reader."
        )


def _read_share(study: "Study", options: dict[str, Any], text: str, more: bool, as_json: bool) -> None:
    """Read one share, outside the study's jobs."""
    from diffing.common.step import checked
    from diffing.jobs.machines.share import Share
    from diffing.reader import encode as reading

    which = Share.parse(text)
    if more:
        raise UserError(
            "A share is not joined, detached or read elsewhere; give --share alone, and --join at the end."
        )
    result = alone(
        study,
        "encode",
        lambda progress: reading.share(study, checked("encode", reading.Options, options), which, progress),
    )
    if as_json:
        tell(result)
        return
    failed = sum(result["failures"].values())
    say(
        f"Share {which}: {result['answers']:,} answers, {result['read']:,} read now, {result['found']:,} were "
        f"there, {failed} could not be read. When all shares are done: 'encode {study.name} --join'."
    )


@app.command()
def feature(
    name: Name,
    number: Annotated[int, typer.Argument(help="The feature.", metavar="ID")],
    top: Annotated[int, typer.Option(help="Answers shown on each side.", min=1)] = 5,
    held_out: Annotated[bool, typer.Option("--held-out", help="Show held-out, that is new, prompts too.")] = False,
    quantiles: Annotated[bool, typer.Option(help="Spread over the whole range instead of the strongest.")] = False,
    as_json: AsJson = False,
) -> None:
    """Where a feature fires: its top answers on each side with tokens and activations.

    Example: `python -m diffing feature sample 17 --top 3`
    """
    # Torch is slow to import, and other commands need none of it.
    from diffing.reader.query import feature_examples
    from diffing.study.study import Study

    with busy("Looking through the answers"):
        found = feature_examples(Study.open(name), number, top, held_out, quantiles)
    if as_json:
        tell(found)
        return
    for side in found["sides"]:
        shown = f"{side['active']:,} of {side['documents']:,} answers"
        say(f"{side['name']}: {shown}{'' if held_out else ' to discovery prompts'} show feature {number}")
        for example in side["examples"]:
            marked = "".join(f"«{text}»" if value else text for text, value in example["pieces"])
            say(
                f"  {example['peak']:.2f}  prompt {example['prompt_id']}, draw {example['draw']}: {around(marked)}"
            )


@app.command()
def read(
    text: Annotated[
        str, typer.Argument(help="A folder or file of texts, or any text.", metavar="FOLDER|FILE|TEXT")
    ],
    name: Annotated[str, typer.Option(help="What the collection is called; else as its file.")] = "",
    columns: Columns = None,
    top: Annotated[int, typer.Option(help="Features of a text shown.", min=1)] = 20,
    reader: Reader = "",
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Texts as a collection to encode, label and search; or one text's tokens and its strongest features.

    A collection is a study without a second side: each file of a folder (.txt, .md), each paragraph of a file, or
    each row of a table (--column text=NAME says which column) is a text of its own.

    Example: `python -m diffing read notes/ --name notes`, or `python -m diffing read "In short, it depends."`
    """
    from diffing.study import collection

    if collection.is_there(text):
        _collect(expanded(text), name, pairs(columns), as_json)
        return
    # As above.
    from diffing.reader.encode import devices_for, load_reader, read_text
    from diffing.study.settings import ReaderChoice

    with busy("Loading the reader"):
        loaded = load_reader(choice(reader, "", ReaderChoice()), devices_for(device, 1)[0])
        found = read_text(loaded, text, top)
    if as_json:
        tell(found.model_dump())
        return
    show(
        [
            {
                "feature": row["feature"],
                "peak": f"{row['peak']:.2f}",
                "tokens": row["count"],
                "where": around(
                    "".join(f"«{p}»" if v else p for p, v in zip(found.pieces, row["values"], strict=True))
                ),
            }
            for row in found.features
        ]
    )


def _collect(path: Path, name: str, columns: dict[str, str], as_json: bool) -> None:
    """Make a collection and say what comes next."""
    from diffing import status as statuses
    from diffing.study import collection

    with busy(f"Taking in {path.name}"):
        made = collection.read(path, name, columns)
    if as_json:
        tell(statuses.of(made))
        return
    texts = len(made.told_of_responses("prompt_id"))
    say(f"Collection '{made.name}': {texts:,} texts. Next: python -m diffing encode {made.name}")


@app.command()
def readers(as_json: AsJson = False) -> None:
    """Named readers, what each needs, and what is on this machine already; and all dictionaries that were trained.

    A trained dictionary reads with both models of its pair; what these need depends on the models.

    Example: `python -m diffing readers`
    """
    from diffing.reader.presets import PRESETS, downloaded
    from diffing.whitebox.dictionaries import readers

    rows: list[dict[str, Any]] = []
    for preset in PRESETS:
        here = downloaded(preset)
        rows.append(
            {
                "reader": preset.name,
                "what": preset.title,
                "download GB": round(preset.download_gb, 1),
                "memory GB": round(preset.memory_gb, 1),
                "gated": "yes" if preset.gated else "",
                "here": "yes" if all(here) else "partly" if any(here) else "no",
            }
        )
    for one in readers.everywhere():
        # Of whole models nobody here knows what they take before they are opened.
        needs = {"download GB": None, "memory GB": None} if as_json else {"download GB": "", "memory GB": ""}
        rows.append({"reader": one.choice.preset, "what": one.title, **needs, "gated": "", "here": "yes"})
    tell(rows) if as_json else show(rows)


def around(marked: str, width: int = 90) -> str:
    """The surroundings of the first mark on one line."""
    flat = marked.replace("\n", "⏎")
    at = max(0, flat.find("«") - width // 3)
    return ("…" if at else "") + flat[at : at + width] + ("…" if at + width < len(flat) else "")
