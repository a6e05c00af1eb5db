"""The sample study from nothing to its largest differences: `python -m examples.sample`.

Needs no key and no network, and takes a minute at most on any CPU.
"""

from diffing import Study
from diffing.study import sample

sample.ensure()
study = Study.open(sample.NAME)
study.run("encode")
table = study.diff()
leads = table[(table["family"] == table["feature"]) & (table["q"] < 0.05)]
shown = leads.loc[leads["delta"].abs().sort_values(ascending=False).index].head(10)
print(shown[["feature", "label", "frequency_a", "frequency_b", "q"]].to_string(index=False))
