"""What people hold: a study with the verbs of every step, as `from diffing import Study` gives it.

Adds nothing of its own: each verb opens the room that does the work, and only then loads what that room needs, so
that `import diffing` stays quick.
"""

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from diffing.common.errors import UserError
from diffing.common.paths import expanded
from diffing.study import study

if TYPE_CHECKING:
    import pandas as pd

    from diffing.concepts.chosen import By
    from diffing.concepts.search import Found
    from diffing.diff.timeline import Timeline
    from diffing.findings.evidence import Standing
    from diffing.gate.check import Checked
    from diffing.jobs.job import JobStatus
    from diffing.probes.own_probes import OwnProbe
    from diffing.reader.encodings import Encodings
    from diffing.whitebox.dictionaries.judged import Judgement
    from diffing.whitebox.dictionaries.shelf import Shelved
    from diffing.whitebox.sight.seen import Inside


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


class Study(study.Study):
    """One study's folder, with its verbs. Cheap to make; every call reads the files as they are now."""

    @classmethod
    def read(cls, path: str, name: str = "", columns: "Mapping[str, str] | None" = None) -> "Study":
        """Texts as a collection, a study without a second side: each file of a folder, each paragraph of a text
        file, or each row of a table is one (`columns={"text": "body"}` says which column)."""
        from diffing.study import collection

        return cls.open(collection.read(expanded(path), name, columns).name)

    def run(self, step: str, **options: Any) -> "JobStatus":
        """Run a step in this process, as a job that does what is missing; a `UserError` says why it could not."""
        from diffing import jobs

        if self.beside:
            from diffing.reader import places

            if step not in ("encode", "diff"):
                self._check_own()
            options = places.for_step(self) | options
        status = jobs.run_here(self, step, options, say=_say)
        if status.state == "failed":
            raise UserError(status.error)
        return status

    def encodings(self) -> "Encodings":
        """What the reader saw in the answers, opened by memory map."""
        from diffing.reader.encodings import Encodings

        return Encodings.open(self)

    def diff(self, a: str = "", b: str = "") -> "pd.DataFrame":
        """Two checkpoints' features table with labels, computed where needed; the first two unless named."""
        from diffing.diff import compute
        from diffing.labels import named

        current = compute.current(self, *self.sides(a, b))
        return named(self, current.features, current.a, current.b)

    def phrases(self, a: str = "", b: str = "") -> "pd.DataFrame":
        """The same of the phrases that were learned from the answers, as people would say them."""
        from diffing.diff import compute

        return compute.current(self, *self.sides(a, b)).phrases

    def inside(self, base: str = "", variant: str = "", **options: Any) -> "Inside":
        """Two checkpoints compared by their weights, beside nulls: what methods point at, and a sentence. What is
        missing is run first (`methods`, `settings`, `texts`, `nulls`)."""
        from diffing.whitebox.sight import seen

        self.run("inside", base=base, variant=variant, **options)
        return seen.of(self, base, variant)

    def dictionary(self, name: str = "", **options: Any) -> "Shelved":
        """A difference SAE or a crosscoder of two checkpoints (`base`, `variant`, `kind`, `layer`, `latents`, `k`,
        `tokens`, `texts`, …), trained where it is missing: its `facts`, `load()` for the weights, and tables of
        what its latents do."""
        from diffing.whitebox.dictionaries import shelf

        status = self.run("dictionary", name=name, **options)
        if status.result is None:
            raise UserError("The training was stopped; run it again, it goes on where it was.")
        return shelf.find(status.result["name"], self)

    def judge_dictionary(self, name: str, **options: Any) -> "Judgement":
        """Which latents of a dictionary are real (`nulls`, `most`, `trial`): `sentence`, `counts` beside nulls,
        and `table`, a row a latent. Trains dictionaries on nulls where that is not done yet."""
        from diffing.whitebox.dictionaries import judged

        if self.run("latents", name=name, **options).result is None:
            raise UserError("The judging was stopped; run it again, it goes on where it was.")
        return judged.needed(self, name)

    def timeline(self, checkpoints: "Sequence[str]" = ()) -> "Timeline":
        """Probes, phrases and measures along three or more checkpoints in order, and where each changed."""
        from diffing.diff import timeline

        return timeline.of(self, checkpoints)

    def findings(self, a: str = "", b: str = "") -> "Sequence[Standing]":
        """The claims made of two checkpoints, each with how far it got and what speaks against it."""
        from diffing.findings import evidence

        self._check_own()
        return evidence.of(self, a, b)

    def votes(self, a: str = "", b: str = "") -> "pd.DataFrame":
        """What people said who voted blind, a row each by question, voter and category, with exact tests."""
        from diffing.findings import tally

        self._check_own()
        return tally.frame(tally.of(self, a, b))

    def compare_measures(self, a: str = "", b: str = "", by_category: bool = False) -> "pd.DataFrame":
        """Scores and other numbers by answer that came with a log, compared by prompt: a row a measure, or one for
        each measure and category. The numbers themselves are `measures()`."""
        from diffing.diff import measures

        return measures.table(self, *self.sides(a, b), by_category=by_category)

    def check(self, **options: Any) -> "Checked":
        """A comparison held against a rule (`fail_on`, `size`, `allow`, `strict`, `baseline`, `a`, `b`): its
        `verdict`, what `changed`, and all that was looked at."""
        from diffing.common.step import checked
        from diffing.gate import check

        return check.of(self, checked("check", check.Options, options))

    def search(self, sentence: str, by: "By" = "labels", held_out: bool = False) -> "Found":
        """Answers that have a property, ranked by features chosen for it (`by` labels, embedding or examples) and
        by what people said to answers: `table()`, `listed(10)` with marked tokens, `property`."""
        from diffing.concepts import search

        ground = search.Ground(self, held_out)
        return search.find(ground, search.choose(ground, sentence, by))

    def own_probes(self, a: str = "", b: str = "") -> "pd.DataFrame":
        """The probes that people added to the study, a row each, tested as a family of their own."""
        from diffing.findings import asking

        return asking.table(self, a, b)

    def add_probe(
        self,
        name: str,
        words: str = "",
        phrase: str = "",
        regex: str = "",
        question: str = "",
        judge: str = "",
        says: str = "",
        author: str = "",
        held_out_seen: bool = False,
    ) -> "OwnProbe":
        """Keep a probe with the study: words with commas between, a phrase, an expression, or a question.

        A question is put to its judge by `run("ask", probes=[name])`, which costs what the judge does.
        """
        from diffing.probes import own_probes

        rule = own_probes.rule_of(words, phrase, regex)
        asked = {"text": question, "judge": judge} if question else None
        told: dict[str, Any] = {"says": says, "author": author, "held_out_seen": held_out_seen}
        return own_probes.add(self, own_probes.made(name, rule=rule, question=asked, **told))

    def remove_probe(self, name: str, author: str = "") -> "OwnProbe":
        """Count one of them no more."""
        from diffing.probes import own_probes

        return own_probes.remove(self, name, author)

    def export_probes(self, path: str) -> int:
        """Write them into a JSON file, for another study; how many."""
        from diffing.probes import own_probes

        return own_probes.export(self, expanded(path))

    def import_probes(self, path: str) -> "Sequence[OwnProbe]":
        """Take in those of such a file that the study lacks: all of them, or none where one cannot be kept."""
        from diffing.probes import own_probes

        return own_probes.take(self, expanded(path))
