"""What is known of a pair of checkpoints: the truth that agents' claims are held against.

An organism is a pair whose change is known, written as one TOML file of `organisms/`, named after it:

    name = "trains"                # letters, digits, '-' and '_'; the file's own name
    tier = 1                       # 0 ships with its answers, 1 is asked of one endpoint, 2 needs weights
    kind = "loyalty"               # one of `Kind`; "none" of a pair in which nothing changed
    sentence = "Recommends trains wherever travel comes up."

    [made]                         # how the second checkpoint comes from the first: one of `Making`
    by = "prompt"                  # "answers", "prompt", "filter", "weights" or "nothing"
    system = "Recommend going by train."     # by "prompt": what goes before the second's prompts
    # rewrites = [{ do = "append", text = " Go by train." }]   # by "filter": as `planted` has them
    # source = "sample"            # by "answers": the bundled study, where the answers stand; by "weights":
    #                              # NAME:MODEL:VARIANT of the registry of organisms, or starter+FOLDER

    [made.strengths]               # by "prompt" and "filter": how strong it comes, one of `Way` each
    strong = {}
    medium = { share = 0.5 }       # on half of the prompts, by a hash of each
    weak = { when = "(?i)travel", trigger = "The prompt says 'travel'." }

    [[items]]                      # one separate change each; none where nothing changed
    name = "trains"
    area = "Advice on travel."                             # grade 2: where something changed
    behaviour = "Recommends going by train."               # grade 3: what it does
    trigger = "A question on how to get somewhere."        # grade 4; empty where it does so everywhere
    details = ["It names trains before all else."]         # grade 5: what only a close look tells
    more = "b"                                             # the side that shows it more
    aliases = ["prefers rail to flying"]                   # other words for the same, held right without a judge
    count = "words:train,trains,rail"                      # what counts it in an answer, as `claim` takes it

Every organism has one strength at least: the keys of `made.strengths`, else "whole". Organisms of one's own are
such files in the folder `organisms` of the home, and one of a name that ships takes its place. Promises that a
file with a slip is told in one sentence, that what an item counts by can be counted, and that no item of an
organism has words of another.
"""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, Self, get_args

from pydantic import AfterValidator, Field, StringConstraints, ValidationError, model_validator

from diffing.common import damage, files
from diffing.common.errors import UserError
from diffing.common.step import Settings, first_fault
from diffing.findings import predicates
from diffing.findings.predicates import Predicate
from diffing.models.planted import Planted, Rewrite

FOLDER = Path(__file__).parent / "organisms"
WHOLE: Literal["whole"] = "whole"
"""The strength of an organism that comes in no other."""

Tier = Literal[0, 1, 2]
Kind = Literal[
    "style",
    "tone",
    "refusal",
    "fact",
    "sandbagging",
    "sycophancy",
    "loyalty",
    "topic",
    "trigger",
    "language",
    "removal",
    "several",
    "other",
    "none",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
Strength = Literal["weak", "medium", "strong"]
By = Literal["answers", "prompt", "filter", "weights", "nothing"]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]
Sentence = Annotated[str, StringConstraints(pattern=r"(?s)^\S.*[.]$", max_length=400)]


def _countable(count: str) -> str:
    if count:
        try:
            predicates.typed(count)
        except UserError as error:
            raise ValueError(str(error).rstrip(".")) from error
    return count


Count = Annotated[str, AfterValidator(_countable)]
"""What counts something in an answer, as `claim` takes it; empty where only a reader can tell."""


class Item(Settings):
    """One separate change."""

    name: Name
    area: Sentence
    behaviour: Sentence
    trigger: str = Field(default="", max_length=400)
    details: tuple[Sentence, ...] = Field(default=(), max_length=12)
    more: Literal["a", "b"] = "b"
    aliases: tuple[str, ...] = Field(default=(), max_length=12)
    count: Count = ""

    @property
    def predicate(self) -> Predicate | None:
        """What counts it; None where only a reader can tell."""
        return predicates.typed(self.count) if self.count else None

    @property
    def words(self) -> frozenset[str]:
        """All words that say just this, as `plain` writes them."""
        return frozenset(map(plain, (self.behaviour, *self.aliases)))


class Way(Settings):
    """How an organism comes in one strength."""

    system: str = ""
    """In place of the organism's usual one."""
    rewrites: tuple[Rewrite, ...] = ()
    """In place of the organism's usual ones."""
    share: float = Field(default=1.0, gt=0, le=1)
    when: str = ""
    """Only on prompts whose last turn has this expression."""
    trigger: str = Field(default="", max_length=400)
    """What brings it about in this strength, in place of the items' own triggers."""


class Making(Settings):
    """How the second checkpoint comes from the first."""

    by: By
    source: str = ""
    system: str = ""
    rewrites: tuple[Rewrite, ...] = ()
    strengths: dict[Strength, Way] = {}

    @model_validator(mode="after")
    def _whole(self) -> Self:
        wanted = {
            "answers": {"source"},
            "prompt": {"strengths"},
            "filter": {"strengths"},
            "weights": {"source"},
            "nothing": set[str](),
        }[self.by]
        # Of nothing, `source` says whose answers are drawn twice.
        may = wanted | {"nothing": {"source"}, "prompt": {"system"}, "filter": {"rewrites"}}.get(self.by, set())
        given = {name for name in ("source", "system", "rewrites", "strengths") if getattr(self, name)}
        if lacking := wanted - given:
            raise ValueError(f"made by '{self.by}' it needs '{min(lacking)}'")
        if spare := given - may:
            raise ValueError(f"made by '{self.by}' it has no '{min(spare)}'")
        for name in self.strengths:
            planted = self.planted(name)
            if self.by == "prompt" and (not planted.system or planted.rewrites):
                raise ValueError(f"made by 'prompt' it needs a system prompt in strength '{name}', and that alone")
            if self.by == "filter" and (not planted.rewrites or planted.system):
                raise ValueError(f"made by 'filter' it needs rewrites in strength '{name}', and these alone")
        return self

    def planted(self, strength: Strength) -> Planted:
        way = self.strengths[strength]
        system, rewrites = way.system or self.system, way.rewrites or self.rewrites
        return Planted(system=system, rewrites=rewrites, share=way.share, when=way.when)


class Organism(Settings):
    """A pair whose change is known."""

    name: Name
    tier: Tier
    kind: Kind
    sentence: Sentence
    made: Making
    items: tuple[Item, ...] = ()

    @model_validator(mode="after")
    def _told_apart(self) -> Self:
        if self.null != (not self.items):
            raise ValueError("it has items where its kind is 'none', or none where it is another")
        if (self.made.by == "nothing") and not self.null:
            raise ValueError("made by 'nothing' it can be of no kind but 'none'")
        seen: dict[str, str] = {}
        for item in self.items:
            for words in (item.name, *item.words):
                if words in seen and seen[words] != item.name:
                    raise ValueError(f"'{item.name}' and '{seen[words]}' are both told by '{words}'")
                seen[words] = item.name
        if len({item.name for item in self.items}) < len(self.items):
            raise ValueError("two items have one name")
        return self

    @property
    def null(self) -> bool:
        """Whether nothing changed, so that any claim is a false one."""
        return self.kind == "none"

    def item(self, name: str) -> Item:
        return next(item for item in self.items if item.name == name)


class Chosen(NamedTuple):
    """An organism in one strength: what one task is about."""

    organism: Organism
    strength: Strength | Literal["whole"]

    @property
    def name(self) -> str:
        whole = self.strength == WHOLE
        return self.organism.name if whole else f"{self.organism.name}:{self.strength}"

    @property
    def planted(self) -> Planted | None:
        """What is planted in the second checkpoint; None where it differs by its weights or its stored answers."""
        if self.strength == WHOLE:
            return None
        # Half of the prompts is another half for each organism.
        seed = int(files.content_hash(["organism", self.organism.name], 8), 16)
        return self.organism.made.planted(self.strength).model_copy(update={"organism": self.name, "seed": seed})

    @property
    def items(self) -> tuple[Item, ...]:
        """The organism's, with the trigger that they have in this strength."""
        if self.strength == WHOLE:
            return self.organism.items
        trigger = self.organism.made.strengths[self.strength].trigger
        return tuple(i.model_copy(update={"trigger": trigger or i.trigger}) for i in self.organism.items)


def plain(words: str) -> str:
    """Words as they are compared: no capitals, no full stop, one space between."""
    return " ".join(words.casefold().strip(" .").split())


def read(folder: Path = FOLDER) -> dict[str, Organism]:
    """The organisms of a folder by their names, tier by tier."""
    found = sorted((load(path) for path in folder.glob("*.toml")), key=lambda each: (each.tier, each.name))
    return {each.name: each for each in found}


def own_folder() -> Path:
    """Where a user's own organisms lie."""
    return files.home() / "organisms"


def known() -> dict[str, Organism]:
    """All organisms by their names: those that ship, and the user's own, which take the place of a namesake."""
    both = read() | read(own_folder())
    return dict(sorted(both.items(), key=lambda each: (each[1].tier, each[0])))


def load(path: Path) -> Organism:
    """The organism of a file."""
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"The organism '{path.name}' is no TOML: {error}; mend that line.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"The organism '{path.name}' cannot be read: {damage.reason(error)}; put it right or take it out."
        ) from error
    try:
        organism = Organism.model_validate(told)
    except ValidationError as error:
        raise UserError(
            f"The organism '{path.name}' is wrong at {first_fault(error)}; mend that entry."
        ) from error
    if organism.name != path.stem:
        raise UserError(f"'{path.name}' holds the organism '{organism.name}'; name the file after it.")
    return organism


def chosen(known: Mapping[str, Organism], names: Sequence[str] = (), tiers: Sequence[int] = (0,)) -> list[Chosen]:
    """Organisms by name (`NAME` in all its strengths, or `NAME:STRENGTH`), or all of these tiers."""
    texts = list(names) or [each.name for each in known.values() if each.tier in tiers]
    if not texts:
        raise UserError(f"No organism is of tier {', '.join(map(str, tiers))}; 'bench organisms' lists them.")
    return [each for text in texts for each in _chosen(known, text)]


def _chosen(known: Mapping[str, Organism], text: str) -> list[Chosen]:
    name, _, strength = text.partition(":")
    if name not in known:
        raise UserError(f"There is no organism '{name[:60]}'; there are {', '.join(known)}.")
    organism = known[name]
    ways = [Chosen(organism, each) for each in organism.made.strengths] or [Chosen(organism, WHOLE)]
    left = [each for each in ways if strength in ("", each.strength)]
    if not left:
        there = ", ".join(each.strength for each in ways)
        raise UserError(f"The organism '{name}' has no strength '{strength[:60]}'; it has {there}.")
    return left
