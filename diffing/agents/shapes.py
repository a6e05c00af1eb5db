"""The shapes of what agents are told, one a tool: fields with names that say what they are, and no surprises.

Every list comes with a `next_cursor`, empty at its end. Promises that what is not known is null and never 0, and
that no field holds an object of free form. Holds no words and decides nothing.
"""

from typing import Literal

from pydantic import BaseModel, Field

Side = Literal["a", "b"]


class Studied(BaseModel):
    name: str
    sides: str
    says: str = Field(description="What its comparison says, in a sentence; empty where there is none yet.")
    next: str = Field(description="What has to be done next; empty where it is compared.")
    fault: str = Field(description="Why it does not open; empty where it does.")


class Studies(BaseModel):
    studies: list[Studied]
    may_start: list[str] = Field(description="Steps that cost money and that this server may start.")
    dollars_left: float
    dollars_spent: float
    held_out_open: bool = Field(description="Whether held-out prompts may be read; else discovery ones alone.")
    inbox: list[str] = Field(description="Files that a person laid ready for `new_study`.")
    next_cursor: str = ""


class Done(BaseModel):
    step: str
    state: str
    detail: str


class Status(BaseModel):
    study: str
    checkpoints: list[str] = Field(description="KEY = name (source).")
    prompts: int
    discovery: int
    held_out: int
    answers: dict[str, int] = Field(description="Stored answers by checkpoint.")
    dollars: float = Field(description="What the study has cost, whoever started it.")
    power: str
    steps: list[Done]
    next: str
    running: list[str]
    jobs: list[str] = Field(description="Ids of the latest jobs, the newest first.")


class Made(BaseModel):
    study: str
    prompts: int
    held_out: int
    answers: int
    estimate: str
    next: str


class Estimated(BaseModel):
    study: str
    step: str
    calls: int
    tokens_in: int | None = None
    tokens_out: int | None = None
    dollars: float | None = Field(default=None, description="Null where a price is unknown.")
    seconds: float | None = None
    says: str
    dollars_left: float = Field(description="Of this server's budget.")


class Progress(BaseModel):
    job: str
    study: str
    step: str
    state: str = Field(description="running, done, failed, cancelled or dead.")
    done: int
    total: int
    unit: str
    note: str
    seconds: float
    seconds_left: float | None
    dollars: float | None
    dollars_at_most: float | None = Field(
        default=None, description="The job's own limit, when it was started here."
    )
    error: str
    result: dict[str, str | int | float | bool | None]
    log: list[str]


class Changed(BaseModel):
    number: int
    name: str = Field(description="As the end of a sentence whose subject is an answer.")
    kind: str
    more: Side
    figures: str
    difference: str
    q: float | None
    confirmed: str
    at_equal_length: bool | None
    counted_by: str
    features: list[int]
    examples: list[str] = Field(description="Pairs that show it, as PROMPT:DRAW.")
    against: list[str] = Field(description="Pairs that show the contrary.")


class Answered(BaseModel):
    study: str
    a: str
    b: str
    sentence: str
    behaviours: list[Changed]
    unchanged: list[str]
    cannot_tell: int
    outdated: bool = Field(description="Whether answers or readings have changed since; start 'diff' again.")
    next_cursor: str = ""


class Difference(BaseModel):
    feature: int | None = None
    what: str
    a: float = Field(description="Share of answers that show it; of an amount its mean.")
    b: float
    delta: float
    low: float | None
    high: float | None
    q: float | None
    at_equal_length: bool | None
    replicated: str
    near: str = ""


class Differences(BaseModel):
    study: str
    view: str
    a: str
    b: str
    of: int = Field(description="Rows that the filters leave.")
    rows: list[Difference]
    next_cursor: str = ""


class Context(BaseModel):
    checkpoint: str
    pair: str
    peak: float
    text: str = Field(description="Where it fires, between « and ».")


class Feature(BaseModel):
    study: str
    feature: int
    label: str
    label_by: str
    label_score: float | None = Field(description="Balanced accuracy of a blind test; 0.5 is guessing.")
    fires_on: str
    near: str
    family: int
    family_size: int
    figures: Difference
    shown_by: dict[str, int] = Field(description="Answers that show it and may be read here, by checkpoint.")
    readable: dict[str, int] = Field(description="Answers that may be read here, by checkpoint.")
    contexts: list[Context]
    next_cursor: str = ""


class Passage(BaseModel):
    of: Literal["prompt", "a", "b"]
    start: int = Field(description="Character of the text where this passage begins; marks are not counted.")
    text: str


class PairOf(BaseModel):
    study: str
    pair: str
    category: str
    split: str
    a: str
    b: str
    flags: str = Field(description="What is odd about an answer: truncated, refusal, failed; why it counts not.")
    marks: str = Field(description="What stands between « and »; empty where nothing is marked.")
    passages: list[Passage]
    next_cursor: str = ""


class Hit(BaseModel):
    feature: int | None = None
    pair: str = Field(default="", description="PROMPT:DRAW.")
    checkpoint: str = ""
    text: str
    why: str


class Found(BaseModel):
    study: str
    where: str
    hits: list[Hit]
    next_cursor: str = ""


class Claimed(BaseModel):
    id: str
    status: str
    claim: str
    more: Side
    author: str
    counts: str = Field(description="What is counted of it; empty where only a judge can tell.")
    counted: str = Field(description="What that count shows on held-out prompts.")
    judged: str = Field(description="What a judge found on held-out prompts.")
    against: str = Field(description="What speaks against it and nobody has answered.")
    lacks: str
    held_out_seen: bool
    same_as: str = ""
    new: bool = Field(default=True, description="Whether it was not there before.")


class Findings(BaseModel):
    study: str
    a: str
    b: str
    findings: list[Claimed]
    tests: int = Field(description="Claims that the judge's verdicts are corrected for, rejected ones too.")
    next_cursor: str = ""


class Reported(BaseModel):
    study: str
    made: str = Field(description="When the last one was made; empty where there is none.")
    changed_since: list[str]
    findings: int
    folder: str = Field(description="Under the program's home; for a person.")
    resource: str
    says: str


class Ran(BaseModel):
    study: str
    number: int = Field(description="The cell's, for `cell` and `interrupt`.")
    state: str = Field(description="waiting, running, done, failed, interrupted, died or lost.")
    seconds: float
    kernel: int = Field(description="Which kernel ran it; variables of an earlier one are gone.")
    note: str
    keeps: str = Field(description="What the walls around the code keep from it.")
    pictures: int = Field(description="How many it drew; they are in the notebook, for people.")
    shown: str
    next_cursor: str = ""


Cell = str | int | float | bool | None


class Pointed(BaseModel):
    what: str
    less: bool = Field(description="Whether the variant has less of it.")
    above: bool = Field(description="Whether it stands above all nulls; else nulls show it too, or none was read.")
    methods: list[str]
    figure: float
    low: float | None
    high: float | None
    null_low: float | None = Field(
        description="The nulls' range of the very same thing; null where none was read."
    )
    null_high: float | None


class Looked(BaseModel):
    method: str
    title: str
    above: int = Field(description="Things that stand above all nulls.")
    nulls: int
    lacking: int = Field(description="Nulls that were asked for and are not there yet.")
    outdated: str


class Inside(BaseModel):
    study: str
    a: str
    b: str
    sentence: str = Field(description="Made by a rule from the figures.")
    methods: list[Looked]
    left_out: list[str] = Field(description="Methods that cannot be used on these weights, and nulls likewise.")
    things: list[Pointed]
    rows: list[dict[str, Cell]] = Field(description="Of the method's own table, where it was asked for.")
    next_cursor: str = ""
