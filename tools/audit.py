"""Known weaknesses of the locked packages: `python -m tools.audit` asks pip-audit, and fails where there is one.

All that is locked is asked for, and torch. Where the service that pip-audit asks does not answer, a line says so
and nothing fails: a check must not hang on somebody else's server. Not promised: that the service knows of every
weakness there is.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tools.lock import DEV, DIRECT, EXTRAS, ROOT, RUN, blocks, pins

ACCEPTED = {
    "CVE-2025-69872": "diskcache loads pickles; here values are JSON, pickles refused, and keys never listed",
}
"""Weaknesses that do not fail the check, each with the reason."""
SECONDS = 60.0
"""For all of it: two hundred short questions, one after the other, on a line that is not slow."""

_SILENT = re.compile(
    r"ConnectionError|ProxyError|SSLError|HTTPError|ServiceError|Time(?:d )?out|Could not connect", re.I
)


class Unanswered(Exception):
    """The service could not be asked; says why."""


def locked() -> list[str]:
    """Each package with its version and its condition, torch with them."""
    lines = [line for path in (RUN, EXTRAS, DEV) for line in blocks((ROOT / path).read_text(encoding="utf-8"))]
    return [*lines, f"torch=={pins((ROOT / DIRECT[0]).read_text(encoding='utf-8'))['torch']}"]


def ask(requirements: list[str]) -> list[dict[str, Any]]:
    """What pip-audit says of each package: `vulns` or a `skip_reason`."""
    path = os.pathsep.join([os.environ.get("PATH", ""), str(Path(sys.executable).parent)])
    program = shutil.which("pip-audit", path=path)
    if program is None:
        sys.exit("pip-audit is not there; install requirements-dev.lock and run this again.")
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder, "requirements.txt")
        wanted.write_text("\n".join(requirements) + "\n", encoding="utf-8")
        command = [program, "--requirement", str(wanted), "--no-deps", "--disable-pip", "--format", "json"]
        command += ["--timeout", "10", "--desc", "off", "--progress-spinner", "off"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
        except subprocess.TimeoutExpired as error:
            raise Unanswered(f"nothing within {SECONDS:g} seconds") from error
    if not done.stdout.strip():
        last = (done.stderr.strip().splitlines() or ["no word"])[-1]
        if _SILENT.search(last):
            raise Unanswered("no connection")
        sys.exit(f"pip-audit failed without a report (exit code {done.returncode}): {last}")
    answers: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    if all("skip_reason" in answer for answer in answers):
        # A mirror without this service answers every question with "not found", which is no clean bill.
        raise Unanswered(f"it knows none of the {len(answers)} packages")
    return answers


def known(answers: list[dict[str, Any]]) -> tuple[list[str], list[str]]:
    """The weaknesses that fail the check and those that are accepted, a line each."""
    failing, accepted = [], []
    for answer in answers:
        for weakness in answer.get("vulns", []):
            ids = [weakness["id"], *weakness.get("aliases", [])]
            line = f"{answer['name']} {answer['version']}: {', '.join(ids)}"
            reason = next((ACCEPTED[key] for key in ids if key in ACCEPTED), None)
            if reason is None:
                failing.append(f"{line}; mended in: {', '.join(weakness['fix_versions']) or 'no release'}")
            else:
                accepted.append(f"{line}; accepted: {reason}")
    return failing, accepted


def main() -> None:
    try:
        answers = ask(locked())
    except Unanswered as error:
        print(f"Packages were not audited: the service that pip-audit asks did not answer ({error}).")
        return
    failing, accepted = known(answers)
    skipped = [answer["name"] for answer in answers if "skip_reason" in answer]
    print(f"Packages audited: {len(answers) - len(skipped)}. Known weaknesses: {len(failing)}.")
    if skipped:
        print(f"Not known to the service: {', '.join(skipped)}.")
    print("\n".join([*accepted, *failing]), end="\n" if accepted or failing else "")
    if failing:
        sys.exit("Upgrade what is named above (python -m tools.lock --upgrade), or accept it in tools/audit.py.")


if __name__ == "__main__":
    main()
