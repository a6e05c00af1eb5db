"""What a line of each of a study's files must hold, for the command that mends them.

Apart from the command, since it takes a look into nearly every room.
"""

from diffing.findings import asking
from diffing.findings.findings import Change
from diffing.findings.people import Verdict
from diffing.findings.votes import Vote
from diffing.labels import history
from diffing.probes import own_probes
from diffing.study import repair

CHECKS: dict[str, repair.Check] = {
    "labels.jsonl": history.line_of,
    "findings.jsonl": Change.model_validate,
    "people.jsonl": Verdict.model_validate,
    "votes.jsonl": Vote.model_validate,
    "own_probes.jsonl": own_probes.Change.model_validate,
    "own_answers.jsonl": asking.Said.model_validate,
}
"""By the file's name."""
