"""Whether studies made by an older version still open, and its links still lead somewhere.

    python -m bench.old_studies FOLDER

FOLDER is a checkout of an older version in which `python -m diffing sample` was run with it. A copy of its
studies and cache is opened by this one: every study, every page, every parameter that pages of that version wrote
into an address. Prints a table; exits with 1 where anything fails.
"""

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

from streamlit.testing.v1 import AppTest

LINKS: dict[str, list[dict[str, str]]] = {
    "features": [
        {},
        {"view": "equal length"},
        {"more": "A", "q": "example"},
        {"group": "advice", "survives": "true", "replicated": "true", "labelled": "true", "weak": "true"},
    ],
    "feature": [
        {"feature": "1798"},
        {"feature": "17", "pair": "2", "order": "strongest", "held": "true"},
        {"feature": "17", "second": "74", "with": "true", "order": "against the difference"},
    ],
    "compare": [
        {},
        {"prompt": "{prompt}", "feature": "1798", "draw": "draw 2", "held": "1"},
        {"prompt": "{prompt}", "probe": "bold", "every": "true", "held": "true"},
        {"show": "Surface probes"},
        {"show": "Any text", "feature": "17"},
    ],
    "findings": [{}, {"show": "Draft"}, {"show": "Verify"}, {"show": "Rival"}, {"show": "Report"}],
    "prompts": [{}, {"split": "held-out", "q": "the"}],
    "run": [{}, {"a": "after", "b": "before"}],
}
"""By page, the parameters that an address of the version before the rooms could have."""


def opened(page: str, query: dict[str, str]) -> str:
    """What is wrong with a page of this address; empty where nothing is."""
    project = Path(__file__).parents[1]
    app = AppTest.from_file(str(project / "dashboard.py"), default_timeout=600)
    if page:
        app.switch_page(f"pages/{page}.py")
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    faults = [element.value for element in (*app.exception, *app.error)]
    return "; ".join(faults)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    older = parser.parse_args().folder
    failed = 0
    with tempfile.TemporaryDirectory(prefix="old-studies-") as home:
        for name in ("studies", "cache"):
            shutil.copytree(older / name, Path(home) / name)
        os.environ["DIFFING_HOME"] = home
        from diffing import Study

        print("| study | page | address | |\n|---|---|---|---|")
        for study in Study.list():
            prompt = str(study.prompts()["id"].iloc[0])
            pages: dict[str, list[dict[str, str]]] = {"": [{}], **LINKS}
            for page, links in pages.items():
                for link in links:
                    query = {name: value.format(prompt=prompt) for name, value in link.items()}
                    fault = opened(page, {"study": study.name, **query} if page else {})
                    failed += bool(fault)
                    shown = "&".join(f"{name}={value}" for name, value in query.items())
                    print(f"| {study.name} | {page or 'first page'} | {shown or '–'} | {fault or 'opens'} |")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
