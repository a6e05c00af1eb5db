"""Known cases: studies that are one command away.

Each names checkpoints, sampling and reader; the bundled prompts complete it. Whether a provider still serves a
model is asked when the study is made and again before anything is spent; nothing here promises it.
"""

from typing import NamedTuple

from diffing.common.errors import UserError
from diffing.study.settings import ReaderChoice, Sampling


class KnownCase(NamedTuple):
    """A study ready to be made."""

    checkpoints: tuple[str, str]
    """As they are written on the command line, the earlier one first."""
    sampling: Sampling
    reader: ReaderChoice
    note: str
    """What a user should know before spending anything."""


LLAMA = ReaderChoice(preset="llama-3.1-8b")

KNOWN_CASES = {
    "gemini-flash": KnownCase(
        (
            "Gemini 2.0 Flash=openrouter:google/gemini-2.0-flash-001",
            "Gemini 2.5 Flash=openrouter:google/gemini-2.5-flash",
        ),
        # Gemini's own temperature; long enough for nearly all answers to the bundled prompts, so that few are cut.
        Sampling(temperature=1.0, max_tokens=2048),
        LLAMA,
        "Its maker withdrew Gemini 2.0 Flash in mid-2026: where it is no longer served, 'import' answers saved "
        "earlier, or take --preset gemini-flash-living.",
    ),
    "gemini-flash-living": KnownCase(
        (
            "Gemini 2.5 Flash Lite=openrouter:google/gemini-2.5-flash-lite",
            "Gemini 2.5 Flash=openrouter:google/gemini-2.5-flash",
        ),
        Sampling(temperature=1.0, max_tokens=2048),
        LLAMA,
        "Two living siblings in place of the withdrawn Gemini 2.0 Flash: a difference in size, not in date.",
    ),
}


def case(name: str) -> KnownCase:
    if name not in KNOWN_CASES:
        raise UserError(f"There is no preset '{name}'; the presets are {', '.join(KNOWN_CASES)}.")
    return KNOWN_CASES[name]
