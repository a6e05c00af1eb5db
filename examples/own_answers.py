"""Answers that you have already, compared by what can be counted: `python -m examples.own_answers FILE [NAME]`.

FILE is CSV, JSONL, JSON or Parquet with prompt, checkpoint and response, or prompt, response_a and response_b.
"""

import sys
from pathlib import Path

from diffing import Study, diff
from diffing.study import imports

path = Path(sys.argv[1])
name = sys.argv[2] if len(sys.argv) > 2 else path.stem
imports.into(name, imports.load(path))
study = Study.open(name)
study.run("encode")
study.run("diff")
probes = diff.load(study, *study.sides()).probes
shown = probes.loc[probes["delta"].abs().sort_values(ascending=False).index].head(10)
print(shown[["probe", "frequency_a", "frequency_b", "delta", "q"]].to_string(index=False))
