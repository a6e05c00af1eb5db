"""Surface probes: what can be counted in an answer without a reader, by name.

The rules are markup, punctuation and wordings, in English where they are words: they count forms and do not know
what was meant. `forms` and `wordings` hold them.
"""

from diffing.probes.forms import FORMS
from diffing.probes.probe import Probe
from diffing.probes.rules import Answer, Span
from diffing.probes.wordings import WORDINGS

ALL = tuple(sorted((*FORMS, *WORDINGS), key=lambda probe: (probe.counted_only, probe.whole)))
"""Those that only have an amount stand last, and before them those whose span is the whole answer."""

PROBES: dict[str, Probe] = {probe.name: probe for probe in ALL}
"""All probes by name."""


def probe_spans(text: str) -> dict[str, list[Span]]:
    """Where each probe fires in a text; those that only have an amount are left out."""
    answer = Answer(text)
    return {probe.name: probe.find(answer) for probe in ALL if not probe.counted_only}
