"""Files for other tools, read by those tools: what the gate and `export --to` write, held to the real thing.

`python -m tools.formats` makes the sample study in a folder of its own, writes the gate's SARIF and JUnit and the
exports for Inspect, Docent and `datasets`, and reads them back: SARIF by the JSON schema in npm's
`@microsoft/jest-sarif`, JUnit by the XSD in pytest's source and by further ones that are named as arguments (Ant's
is `JUnit.xsd` of the repository windyroad/JUnit-Schema), logs by `inspect_ai`, agent runs by `docent-python`.
Those packages are fetched into throw-away environments and stay there: none of them can share ours, and nothing of
them enters the repository. Needs pip, npm and a network, takes minutes, and is no test: the suite holds the shapes
that this has shown to be read.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
SARIF, JUNIT = "@microsoft/jest-sarif@1.0.0-beta.0", "pytest==8.4.2"
"""What ships the schemas: SARIF's of 2.1.0, and the XSD that Jenkins reads JUnit by."""

SCHEMAS = """
import json, os, sys, jsonschema, xmlschema
schema, xsds, *found = sys.argv[1:]
told = json.load(open(schema))
for path in found:
    if path.endswith(".sarif"):
        jsonschema.validators.validator_for(told)(told).validate(json.load(open(path)))
    else:
        for xsd in xsds.split(os.pathsep):
            xmlschema.XMLSchema(xsd).validate(path)
    print("valid", path)
"""
LOGS = """
import sys
from inspect_ai.log import read_eval_log, write_eval_log
for path in sys.argv[1:]:
    log = read_eval_log(path)
    write_eval_log(log, path + ".eval")
    assert len(read_eval_log(path + ".eval").samples) == len(log.samples) == 120
    assert all(sample.output.completion and sample.messages[-1].role == "assistant" for sample in log.samples)
    print("read", path)
"""
RUNS = """
import sys
from docent.data_models import AgentRun
runs = [AgentRun.model_validate_json(line) for line in open(sys.argv[1])]
assert len(runs) == 240 and all(run.transcripts[0].messages[-1].text for run in runs)
print("read", sys.argv[1])
"""
SETS = """
import sys, datasets
for name, rows in (("answers", 240), ("pairs", 120)):
    told = datasets.load_dataset(sys.argv[1], name, cache_dir=sys.argv[2])
    assert sum(len(part) for part in told.values()) == rows, told
print("read", sys.argv[1])
"""


def run(*words: str | Path, at: Path = ROOT, codes: tuple[int, ...] = (0,)) -> None:
    done = subprocess.run([str(word) for word in words], cwd=at, check=False)
    if done.returncode not in codes:
        raise SystemExit(f"{' '.join(map(str, words))[:200]} ended with {done.returncode}.")


def environment(folder: Path, *packages: str) -> Path:
    """A throw-away environment with these packages; its Python."""
    python = folder / "bin" / "python"
    run(sys.executable, "-m", "venv", folder)
    run(Path(sys.executable).with_name("uv"), "pip", "install", "--quiet", "--python", python, *packages)
    return python


def written(home: Path) -> None:
    """The sample study and everything that goes out of it."""
    os.environ["DIFFING_HOME"] = str(home)
    program = (sys.executable, "-m", "diffing")
    run(*program, "sample")
    for name, rule in (
        ("changed", "q_gate < 0.05 and abs(delta) > 0.1"),
        ("unsure", "q < 1e-99 and delta > 0.05"),
    ):
        outputs = [word for ending in ("sarif", "xml") for word in ("--output", str(home / f"{name}.{ending}"))]
        run(*program, "check", "sample", "--fail-on", rule, "--size", "0.1", *outputs, codes=(1, 2))
    for tool in ("inspect", "docent", "hf"):
        run(*program, "export", "sample", "--to", tool, "--out", home / tool)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        written(home)
        run("npm", "pack", SARIF, at=home)
        run(
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--no-binary",
            "pytest",
            JUNIT,
            at=home,
        )
        for packed in (*home.glob("*.tgz"), *home.glob("*.tar.gz")):
            run("tar", "xzf", packed, at=home)
        (schema,), (xsd,) = (
            home.glob("package/lib/schemas/sarif-2.1.0*.json"),
            home.glob("pytest-*/**/junit-10.xsd"),
        )
        python = environment(home / "schemas", "jsonschema", "xmlschema")
        xsds = os.pathsep.join([str(xsd), *sys.argv[1:]])
        run(python, "-c", SCHEMAS, schema, xsds, *home.glob("*.sarif"), *home.glob("*.xml"))
        python = environment(home / "inspect-env", "inspect_ai")
        run(python, "-c", LOGS, *(home / "inspect").glob("*.json"))
        python = environment(home / "docent-env", "docent-python")
        run(python, "-c", RUNS, home / "docent" / "sample-docent.jsonl")
        run(sys.executable, "-c", SETS, home / "hf" / "sample-dataset", home / "cache")


if __name__ == "__main__":
    main()
