"""The audit of the locked packages: it fails on a weakness, and says so where it could not ask."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tools import audit


def says(folder: Path, monkeypatch: pytest.MonkeyPatch, shell: str) -> None:
    """A pip-audit that stands first on PATH and does this."""
    program = folder / "pip-audit"
    program.write_text(f"#!/bin/sh\n{shell}\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def reports(folder: Path, monkeypatch: pytest.MonkeyPatch, *packages: dict[str, Any]) -> None:
    """A pip-audit with this report; it exits with 1 where a weakness is in it, as the real one does."""
    (folder / "report.json").write_text(json.dumps({"dependencies": packages, "fixes": []}), encoding="utf-8")
    code = int(any(package.get("vulns") for package in packages))
    says(folder, monkeypatch, f"cat {folder}/report.json; exit {code}")


def package(name: str, *vulns: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "version": "1.0", "vulns": list(vulns)}


def test_a_known_weakness_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    weakness = {"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": ["1.1"]}
    reports(tmp_path, monkeypatch, package("good"), package("weak", weakness))
    with pytest.raises(SystemExit) as ended:
        audit.main()
    assert "Upgrade what is named above" in str(ended.value.code)
    assert capsys.readouterr().out == (
        "Packages audited: 2. Known weaknesses: 1.\nweak 1.0: PYSEC-1, CVE-1; mended in: 1.1\n"
    )


def test_an_accepted_weakness_passes_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    weakness = {"id": "GHSA-1", "aliases": ["CVE-2025-69872"], "fix_versions": []}
    unknown = {"name": "own", "skip_reason": "Dependency not found"}
    reports(tmp_path, monkeypatch, package("diskcache", weakness), unknown)
    audit.main()
    reason = audit.ACCEPTED["CVE-2025-69872"]
    assert capsys.readouterr().out == (
        "Packages audited: 1. Known weaknesses: 0.\n"
        "Not known to the service: own.\n"
        f"diskcache 1.0: GHSA-1, CVE-2025-69872; accepted: {reason}\n"
    )


@pytest.mark.parametrize(
    ("shell", "why"),
    [
        ("echo 'requests.exceptions.ConnectionError: Max retries exceeded' >&2; exit 1", "no connection"),
        ("echo 'requests.exceptions.ReadTimeout: read timed out' >&2; exit 1", "no connection"),
        ("exec sleep 60", "nothing within 0.5 seconds"),
        (
            """echo '{"dependencies": [{"name": "numpy", "skip_reason": "Dependency not found"}]}'""",
            "it knows none of the 1 packages",
        ),
    ],
)
def test_a_service_that_does_not_answer_is_told_and_fails_nothing(
    shell: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(audit, "SECONDS", 0.5 if "sleep" in shell else 60.0)
    says(tmp_path, monkeypatch, shell)
    audit.main()
    assert capsys.readouterr().out == (
        f"Packages were not audited: the service that pip-audit asks did not answer ({why}).\n"
    )


def test_a_pip_audit_that_breaks_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    says(tmp_path, monkeypatch, "echo 'unrecognized arguments: --format' >&2; exit 2")
    with pytest.raises(SystemExit) as ended:
        audit.main()
    assert ended.value.code == (
        "pip-audit failed without a report (exit code 2): unrecognized arguments: --format"
    )


def test_a_missing_pip_audit_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(SystemExit) as ended:
        audit.main()
    assert ended.value.code == "pip-audit is not there; install requirements-dev.lock and run this again."


def test_all_that_is_locked_is_asked_for_and_torch_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    says(
        tmp_path,
        monkeypatch,
        f"""cp "$2" {tmp_path}/asked; echo '{{"dependencies": [{{"name": "a", "vulns": []}}]}}'""",
    )
    audit.ask(audit.locked())
    asked = (tmp_path / "asked").read_text(encoding="utf-8")
    assert asked.splitlines() == audit.locked()
    assert {"torch", "numpy", "pytest"} <= {line.split("==")[0] for line in asked.splitlines()}
