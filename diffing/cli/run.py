"""Commands that run steps and look after them: answers, jobs, the sample, the dashboard."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from diffing.cli import glance, keys, serve
from diffing.cli.options import EQUIVALENT, AsJson, Detach, MaxDollars, MaxRequests, Name
from diffing.cli.terminal import do, say, tell, warn
from diffing.common.errors import UserError

if TYPE_CHECKING:
    from diffing.diff.until_certain import Options
    from diffing.models.providers import Price
    from diffing.study.study import Study

app = typer.Typer()


@app.command()
def collect(
    name: Name,
    limit: Annotated[int | None, typer.Option(help="Only this many prompts: a pilot.", min=1)] = None,
    max_dollars: MaxDollars = None,
    max_requests: MaxRequests = None,
    concurrency: Annotated[
        int | None,
        typer.Option(
            help="Calls at once at each endpoint, at most; 32 unless said, 256 at a server of --serve.", min=1
        ),
    ] = None,
    timeout: Annotated[float, typer.Option(help="Seconds for one reply.", min=0.1)] = 300.0,
    retry: Annotated[
        list[str] | None, typer.Option(help="Ask again what came back blocked, empty, truncated or refusal.")
    ] = None,
    until_certain: Annotated[
        bool, typer.Option("--until-certain", help="Stop as soon as every surface probe is settled.")
    ] = False,
    margin: Annotated[
        float, typer.Option(help="Difference in shares that counts as none when that is decided.")
    ] = EQUIVALENT,
    serve: Annotated[
        bool, typer.Option("--serve", help="Weights answer through vLLM, started for the run: docs/scale.md.")
    ] = False,
    gpus: Annotated[str, typer.Option(help="GPUs that it may use; all unless said.", metavar="0,1")] = "",
    gpus_each: Annotated[int, typer.Option(help="GPUs that each server's weights are split over.", min=1)] = 1,
    memory_share: Annotated[float, typer.Option(help="Share of a GPU's memory that a server takes.")] = 0.9,
    batch_invariant: Annotated[
        bool, typer.Option("--batch-invariant", help="Answers that do not hang on what else is answered; slower.")
    ] = False,
    wait: Annotated[float, typer.Option(help="Seconds for a server to come up.", min=1)] = 1800.0,
    detach: Detach = False,
    dry_run: Annotated[bool, typer.Option(help="Check models and estimate; spend nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Ask every checkpoint what it has not answered yet; failed rows are asked again.

    Example: `python -m diffing collect flash --limit 20 --max-dollars 1`
    """
    from diffing.common import words
    from diffing.common.step import checked
    from diffing.diff.until_certain import Options
    from diffing.study import collect as collecting
    from diffing.study import served
    from diffing.study.study import Study

    opened = Study.open(name)
    limits = dict(limit=limit, max_dollars=max_dollars, max_requests=max_requests)
    given = dict(timeout=timeout, retry=retry or []) | (dict(concurrency=concurrency) if concurrency else {})
    until = dict(until_certain=until_certain, margin=margin) if until_certain else {}
    by = dict(serve=serve, gpus=gpus, gpus_each=gpus_each, memory_share=memory_share, wait=wait)
    by |= dict(batch_invariant=batch_invariant)
    options = checked("collect", Options, limits | given | until | (by if serve else {}))
    keys.ask(opened.checkpoints)
    for line in served.sentences(opened, options.choices):
        warn(line)
    if dry_run:
        prices = asyncio.run(collecting.check(opened))
        _tell_estimate(opened, options, prices, as_json)
        return
    status = do(opened, "collect", options, detach, as_json)
    if status is None or as_json:
        return
    result = status.result or {}
    say(
        f"{status.state}: {result.get('answered', 0)} answers, {result.get('failed', 0)} failed, "
        f"{result.get('left', 0)} left, {words.dollars(result.get('cost'))}, {words.duration(status.seconds)}."
    )
    if result.get("ended_because"):
        say(f"Ended because {result['ended_because']}. Of the probes {result['of_the_probes']}")
    elif result.get("stopped_by"):
        say(f"Stopped by {result['stopped_by']}; run it again to go on.")
    rest = collecting.estimate(opened, collecting.Options(concurrency=options.concurrency))
    if rest.calls:
        say("The rest: " + rest.in_words())


def _tell_estimate(study: "Study", options: "Options", prices: "dict[str, Price | None]", as_json: bool) -> None:
    """What a run is expected to take, and the most it can cost where it ends nobody knows when."""
    from diffing.common import words
    from diffing.diff.until_certain import at_most
    from diffing.study import collect as collecting

    estimate = collecting.estimate(study, options, prices)
    if not options.until_certain:
        tell(estimate._asdict()) if as_json else say(estimate.in_words())
        return
    most = at_most(study, options, prices)
    if as_json:
        tell(estimate._asdict() | {"at_most": most})
        return
    bound = f"never more than {words.dollars(most)}" if most is not None else "with no bound that is known"
    say(f"At most {estimate.in_words().removesuffix('.')}; {bound}. It ends as soon as every probe is settled.")


@app.command("jobs")
def jobs_command(
    name: Name,
    job: Annotated[str, typer.Argument(help="One job's id: its log too.")] = "",
    cancel: Annotated[bool, typer.Option(help="Ask that job to stop.")] = False,
    as_json: AsJson = False,
) -> None:
    """List a study's jobs and what other machines do of it, look at one job, or cancel it.

    Example: `python -m diffing jobs flash 20261121-101500-collect-n1 --cancel`
    """
    from diffing import jobs
    from diffing.study.study import Study

    opened = Study.open(name)
    found = [jobs.find(opened, job)] if job else jobs.recent(opened)
    if cancel:
        if not job:
            raise UserError(f"No job is named to cancel; add its id ('jobs {name}' lists them).")
        found[0].cancel()
        say(f"Asked {job} to stop; what it has stored stays.")
        return
    from diffing.jobs.machines import seen

    parts = [] if job else seen.of(opened)
    if as_json:
        tell(
            [one.status().model_dump() for one in found] + [{"kind": "part", **one.model_dump()} for one in parts]
        )
        return
    for one in found:
        status = one.status()
        by = f"by {status.by}  " if status.by else ""
        say(f"{status.id}  {status.state}  {by}{status.in_words()}  {status.error}".rstrip())
    for part in parts:
        say(part.in_words())
    if job:
        for text in found[0].log_tail(50):
            say(f"  {text}")


@app.command("sample")
def sample_command(as_json: AsJson = False) -> None:
    """Make the bundled sample study and take every step of it that is not done yet. Needs no key.

    Example: `python -m diffing sample`
    """
    from diffing import status as statuses
    from diffing.diff import stored
    from diffing.study import sample

    made = sample.ensure()
    for kind in ("encode", "diff"):
        # Looked at anew each time: a diff is out of date once its encoding was done.
        if any(step["job"] == kind and step["state"] != "done" for step in statuses.of(made)["steps"]):
            do(made, kind, {}, detach=False, as_json=False)
    if as_json:
        tell(statuses.of(made))
        return
    say(f"The sample study '{made.name}' is ready.")
    say()
    glance.answer(made, stored.load(made, *made.sides()))
    say("Look at it: python -m diffing dashboard")


@app.command()
def dashboard(
    port: Annotated[int, typer.Option(help="Port.", min=1, max=65535)] = serve.PORT,
    origin: Annotated[
        list[str] | None,
        typer.Option(
            help="What else a browser may call it, as http://localhost:9000 through a tunnel; repeatable."
        ),
    ] = None,
    browser: Annotated[bool, typer.Option("--open/--no-open", help="Open it in a browser too.")] = True,
    stop: Annotated[bool, typer.Option("--stop", help="End it.")] = False,
    team: Annotated[
        Path | None,
        typer.Option(help="Have a team log in, as this file says: docs/teams.md.", metavar="FILE.toml"),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Where it listens; beyond this machine only with --team.", metavar="ADDRESS")
    ] = serve.HERE,
    i_know: Annotated[
        bool, typer.Option("--i-know", help="Listen beyond this machine without a login, with the token alone.")
    ] = False,
) -> None:
    """Start the dashboard and print its address, which lets a browser in; a second call finds it running.

    Example: `python -m diffing dashboard --port 8600`
    """
    if stop:
        say("Stopped." if serve.stop(port) else f"No dashboard of ours runs on port {port}.")
        return
    from diffing.cli import team as teams

    told = teams.read(team) if team else None
    running, ran_already = serve.start(port, origin or [], host=host, team=told, i_know=i_know)
    address, *others = running.addresses
    end = "make stop" if port == serve.PORT else f"python -m diffing dashboard --port {port} --stop"
    say(f"The dashboard {'was running already' if ran_already else 'runs'} on {address} ('{end}' ends it).")
    for other in others:
        say(f"By the name that you gave it: {other}")
    if running.team is None:
        say("Whoever has this address can do all that you can do here: give it to nobody.")
    else:
        say("Its people log in there; you act as one of them too.")
    if browser and serve.has_screen():
        typer.launch(serve.page(running).as_uri())
