"""What a server of agents was told when a person started it: steps, dollars, models, held-out prompts.

Nothing here can be changed by an agent. Promises that a step which costs money is started only where `--may` names
it, that an option which names a path, a host or a key is no option of an agent's, and that a model is asked only
where a person named it or it is at one of the known providers: an agent with an endpoint of its own would read
there what a judge is shown.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from diffing.agents.sight import Sight
from diffing.common.errors import UserError
from diffing.common.words import between_commas
from diffing.models import hosts, providers

Step = Literal["collect", "encode", "diff", "label", "draft", "baseline", "verify", "ask", "report", "inside"]
STEPS: tuple[Step, ...] = get_args(Step)
PAID: tuple[Step, ...] = ("collect", "label", "draft", "baseline", "verify", "ask")
"""Steps that ask a model; `draft` does only where one is named."""
MAX_DOLLARS = 5.0
"""What a server may spend unless it is told otherwise: a study of some hundred prompts on small models."""

TAKES: dict[Step, tuple[str, ...]] = {
    "collect": ("limit", "until_certain"),
    "encode": ("prompts",),
    "diff": ("a", "b"),
    "label": ("a", "b", "model", "top", "features"),
    "draft": ("a", "b", "model", "families", "most"),
    "baseline": ("a", "b", "model", "most"),
    "verify": ("a", "b", "model", "findings"),
    "ask": ("a", "b", "probes"),
    "report": ("a", "b"),
    "inside": ("a", "b", "methods", "texts"),
}
"""What each step can be told by an agent."""


class StepOptions(BaseModel):
    """What a step is told; each takes only what is named beside a field."""

    model_config = ConfigDict(extra="forbid")

    a: str | None = Field(
        default=None, description="Checkpoint before; the study's first unless named. Not for collect."
    )
    b: str | None = Field(default=None, description="Checkpoint after; the study's second unless named.")
    limit: int | None = Field(default=None, ge=1, description="collect: only so many prompts, a pilot.")
    until_certain: bool | None = Field(
        default=None, description="collect: stop once every surface probe is settled."
    )
    prompts: int | None = Field(
        default=None, ge=1, description="encode: read the answers to so many prompts first."
    )
    model: str | None = Field(
        default=None, description="label, draft, baseline, verify (the judge): PROVIDER:MODEL."
    )
    top: int | None = Field(default=None, ge=1, le=200, description="label: so many families that differ most.")
    features: list[int] | None = Field(default=None, description="label: these features.")
    families: int | None = Field(default=None, ge=1, le=50, description="draft: families read of each side.")
    most: int | None = Field(default=None, ge=1, le=25, description="draft, baseline: claims at most.")
    findings: list[str] | None = Field(
        default=None, description="verify: ids; all that nobody rejected unless named."
    )
    probes: list[str] | None = Field(default=None, description="ask: names of the study's own questions.")

    methods: list[str] | None = Field(default=None, description="inside: these methods; all unless named.")
    texts: int | None = Field(default=None, ge=2, le=10_000, description="inside: so many texts at most.")

    def given(self) -> dict[str, Any]:
        return self.model_dump(exclude_none=True)


@dataclass(frozen=True)
class Terms:
    """What one server was told."""

    may: frozenset[str] = frozenset()
    """Steps that cost money and may be started."""
    max_dollars: float = MAX_DOLLARS
    held_out: bool = False
    models: Sequence[str] = field(default=())
    """Models that may be asked beside those of known providers, as they are written; a last `*` stands for any."""
    workspace: str = ""
    """The file that says where an agent's code runs and what it has; empty takes this machine and nothing more."""
    unwalled: bool = False
    """Whether code may run on a machine that has no walls to put around it."""

    @classmethod
    def told(cls, may: Sequence[str], **others: Any) -> "Terms":
        """From words of a command line: `--may collect,label`, once or several times."""
        words = [word for text in may for word in between_commas(text)]
        if unknown := [word for word in words if word not in PAID]:
            raise UserError(f"'{unknown[0]}' is no step that costs money; --may takes {', '.join(PAID)}.")
        return cls(frozenset(words), **others)

    @property
    def sight(self) -> Sight:
        return Sight(self.held_out)

    def plain(self) -> dict[str, Any]:
        """As it stands in a server's record."""
        return {
            "may": sorted(self.may),
            "max_dollars": self.max_dollars,
            "held_out": self.held_out,
            "models": list(self.models),
            "workspace": self.workspace,
            "unwalled": self.unwalled,
        }

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> "Terms":
        """From such a record."""
        return cls(**{**record, "may": frozenset(record["may"])})

    def options(self, step: Step, told: StepOptions) -> dict[str, Any]:
        """What a step is told, or a `UserError` for what it does not take or an agent may not ask."""
        given = told.given()
        if wrong := [name for name in given if name not in TAKES[step]]:
            raise UserError(f"'{step}' takes no '{wrong[0]}'; it takes {', '.join(TAKES[step]) or 'nothing'}.")
        if "model" in given:
            self.check_model(given["model"])
        return _inside(given) if step == "inside" else given

    def pays(self, step: Step, options: dict[str, Any]) -> bool:
        """Whether a step asks somebody who sends a bill."""
        return step in PAID and not (step == "draft" and not options.get("model"))

    def check_may(self, step: Step) -> None:
        if step not in self.may:
            allowed = f"it may start {', '.join(sorted(self.may))}" if self.may else "it may start none that does"
            raise UserError(
                f"'{step}' costs money and this server may not start it ({allowed}); a person allows it with "
                f"'python -m diffing agents --may {','.join(sorted({*self.may, step}))}'."
            )

    def check_model(self, written: str) -> None:
        """A model that an agent names is one that a person named, or one at a known provider's own address."""
        # As `providers.parse` reads it: what stands before a '=' is its name here.
        behind = re.sub(r"^[^=:#/]+=", "", written)
        known = providers.PROVIDERS.get(behind.partition(":")[0])
        if known is not None and not hosts.here(known.base_url):
            return
        for each in self.models:
            if behind == each or (each.endswith("*") and behind.startswith(each[:-1])):
                return
        raise UserError(
            f"This server may not ask '{written[:80]}': agents may ask models of openrouter, openai and gemini, "
            "and what a person names with 'python -m diffing agents --model'."
        )


def _inside(given: Mapping[str, Any]) -> dict[str, Any]:
    """The options of `inside` in its own words; texts and nulls are those that fit, as others would name files."""
    names = {"a": "base", "b": "variant", "methods": "methods"}
    told: dict[str, Any] = {names[name]: value for name, value in given.items() if name in names}
    return told | ({"texts": {"count": given["texts"]}} if "texts" in given else {})
