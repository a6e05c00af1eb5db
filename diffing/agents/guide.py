"""What an agent reads beside the tools: the way through a study, a study's summary, the method, a report.

The way through is one Markdown file, which stands where agents look for skills; here it is a prompt. Promises that
no text of these holds a held-out prompt or an answer to one unless the server was started with them, a report's
resource included: a report itself shows them, and is for people.
"""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from anyio import to_thread
from mcp.server import MCPServer

from diffing.agents import claims, size
from diffing.agents.desk import Desk
from diffing.common import files
from diffing.common.errors import UserError
from diffing.report import last

SKILL = files.PROJECT / ".claude" / "skills" / "checkpoint-diffing" / "SKILL.md"
METHOD = files.PROJECT / "docs" / "method.md"
MARKDOWN = "text/markdown"


def way() -> str:
    """The way through a study, without the head that says what the file is for."""
    return SKILL.read_text(encoding="utf-8").split("\n---\n", 1)[1].lstrip()


def opening() -> str:
    """What a client is told when it connects."""
    return (
        "What changed between two checkpoints of a model, feature by feature, with figures that hold. Begin with "
        "`studies`; the prompt `investigate` says how to go on. You read discovery prompts only, unless `studies` "
        "says that held-out ones are open; what you claim is tested on the others."
    )


def add(server: MCPServer[Any], desk: Desk) -> None:
    """Resources and the prompt."""

    @server.prompt(title="Find out what changed between two checkpoints")
    def investigate(study: str = "", question: str = "") -> str:
        """The way from a study to claims that hold and a report."""
        about = f"The study is '{study}'. " * bool(study) + f"The question: {question}" * bool(question)
        return way() + (f"\n## This time\n\n{about}\n" if about else "")

    @server.resource("study://{name}/summary", mime_type=MARKDOWN)
    async def summary(name: str) -> str:
        """A study: whom it compares, what changed, what is claimed."""
        return await _aside(partial(claims.summary, desk, name))

    @server.resource("report://{name}", mime_type=MARKDOWN)
    async def report(name: str) -> str:
        """What may be known of a study's last report."""
        return await _aside(partial(reported, desk, name))

    @server.resource("docs://method", mime_type=MARKDOWN)
    def method() -> str:
        """How figures come about: the headings, each a resource of its own."""
        return fitting("\n".join(f"- docs://method/{slug}: {title}" for slug, (title, _) in sections().items()))

    @server.resource("docs://method/{section}", mime_type=MARKDOWN)
    def method_section(section: str) -> str:
        """A part of how figures come about."""
        return part(section)


async def _aside(read: Callable[[], str]) -> str:
    return fitting(await to_thread.run_sync(read, abandon_on_cancel=True))


def reported(desk: Desk, name: str) -> str:
    """The last report: whole where held-out answers may be read, else what the tools would say of it."""
    study = desk.opened(name)
    a, b = study.sides()
    told = last.manifest(last.folder_of(study, a, b))
    if told is None:
        raise UserError(f"Study '{name}' has no report yet; start the step 'report'.")
    if desk.sight.held_out:
        return Path(last.folder_of(study, a, b) / "report.md").read_text(encoding="utf-8")
    changed = last.changed(told, last.state(study, a, b))
    since = f" Since then changed: {', '.join(changed)}." if changed else ""
    return (
        f"The report of '{name}' was made on {told['made']}.{since} It shows answers to held-out prompts and is "
        f"for people; what you may know of it follows.\n\n{claims.summary(desk, name)}"
    )


def sections() -> dict[str, tuple[str, str]]:
    """The method's parts by a short name, each with its title and text."""
    parts = re.split(r"^## (.+)$", METHOD.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return {
        re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-"): (title, text.strip())
        for title, text in zip(parts[::2], parts[1::2], strict=True)
    }


def part(section: str) -> str:
    """One part of the method."""
    known = sections()
    if section not in known:
        raise UserError(f"The method has no part '{section[:60]}'; docs://method names them.")
    title, text = known[section]
    return fitting(f"## {title}\n\n{text}\n")


def fitting(text: str) -> str:
    """A text cut where an answer ends, which it then says."""
    if size.tokens(text) <= size.MOST:
        return text
    lines, used = [], size.ROOM
    for line in text.splitlines():
        used += size.tokens(line) + 1
        if used > size.MOST:
            break
        lines.append(line)
    return "\n".join([*lines, "", "(cut here: an answer to an agent ends at 8,000 tokens)"])
