"""What belongs to a habit: which of what moves with it stands on its tokens, and what else that differs does.

The peel says how many habits there are, and asks of what differs for sure; this fills them. A member is *own*
where it is on or beside the habit's tokens, or changes as the lead does; the others only keep it company. Promises
to look at discovery prompts alone, and that nothing is a member of two habits. No test hangs on it.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from diffing.common.arrays import Bools
from diffing.common.words import share
from diffing.diff import measure, naming
from diffing.diff.ground import Ground, p_of
from diffing.diff.habits import BESIDE, CLOSE, Candidate

MOSTLY = 0.55
"""Of its tokens, how many must be a habit's for it to be the habit's own.

Of each of the sample's ten planted habits then at least 70 % of the members fire on its spans, and at least 70 %
of the families that do are members; with 0.5 or 0.6 that is so of eight or nine.
"""
TOLD = 3
"""Of what keeps a habit company, how much is said: beside the habit's own line there is room for no more."""
DENSE = 0.25
"""Of all tokens, from which share on a habit's tokens say nothing of what stands on them."""


class Beside(NamedTuple):
    """A probe that mostly changes where a behaviour does, and counts something else."""

    name: str
    """As the end of a sentence whose subject is an answer."""
    share_a: float
    """Of all answers, held out or not: no test hangs on it."""
    share_b: float
    larger: bool = False
    """Whether it differs by more than what leads, which was chosen as the surest one."""

    @property
    def told(self) -> str:
        more = "by even more, " if self.larger else ""
        return f"{more}{self.name} ({share(self.share_a)} → {share(self.share_b)})"


def filled(
    table: pd.DataFrame,
    ground: Ground,
    known: Mapping[tuple[str, str], Candidate],
    others: Sequence[Candidate],
) -> pd.DataFrame:
    """The table of habits with `own`, and with those of the `others` that are a habit's own."""
    reaches = {int(number): _reach(rows, ground, known) for number, rows in table.groupby("habit")}
    own = [
        row.lead
        or abs(row.correlation) >= CLOSE
        or _on(known[(row.kind, row.name)], reaches[row.habit], ground) > MOSTLY
        for row in table.rename_axis(None).itertuples(index=False)
    ]
    table = table.assign(own=np.array(own, dtype=bool))
    leads = table[table["lead"]].set_index("habit")
    moves = {
        int(number): ground.difference(known[(lead["kind"], lead["name"])].tokens)
        for number, lead in leads.iterrows()
    }
    rows, there = [], {*zip(table["kind"], table["name"], strict=True)}
    # What is counted has a name, and so would be a behaviour of its own.
    for other in [each for each in others if each.kind == "feature" and (each.kind, each.name) not in there]:
        shares = {number: _on(other, reach, ground) for number, reach in reaches.items()}
        best = max(shares, key=lambda number: (shares[number], -number), default=0)
        difference = ground.difference(other.tokens)
        if not best or shares[best] <= MOSTLY or np.sign(difference.mean()) != np.sign(leads.at[best, "delta"]):
            continue
        spread = float(difference.std() * moves[best].std())
        together = float(np.mean(difference * moves[best]) - difference.mean() * moves[best].mean())
        rows.append(
            {
                "habit": best,
                "lead": False,
                "kind": other.kind,
                "name": other.name,
                "p": float(p_of(difference[:, None])[0]),
                "delta": float(difference.mean()),
                "share": shares[best],
                "correlation": together / spread if spread > 1e-9 else 0.0,
                "left": np.nan,
                "own": True,
            }
        )
    more = pd.DataFrame(rows, columns=table.columns).astype(table.dtypes)
    return pd.concat([table, more], ignore_index=True).sort_values(
        ["habit", "lead"], ascending=[True, False], kind="stable", ignore_index=True
    )


def _reach(rows: pd.DataFrame, ground: Ground, known: Mapping[tuple[str, str], Candidate]) -> Bools:
    """The tokens on or beside those of a habit's lead and of what changes as it does."""
    close = rows[rows["lead"] | (rows["correlation"].abs() >= CLOSE)]
    reach = np.zeros(ground.size, dtype=bool)
    for kind, name in zip(close["kind"], close["name"], strict=True):
        wider = reach | ground.beside(known[(kind, name)].tokens, BESIDE)
        if wider.mean() <= DENSE:
            reach = wider
    return reach


def _on(candidate: Candidate, reach: Bools, ground: Ground) -> float:
    """Of a candidate's tokens in answers to discovery prompts, the share that a habit reaches."""
    tokens = candidate.tokens[ground.asked[candidate.tokens]]
    return float(reach[tokens].mean()) if len(tokens) else 0.0


def beside(habit: pd.DataFrame, probes: pd.DataFrame) -> list[Beside]:
    """Probes that keep a habit company without being of it, and differ for sure."""
    names = habit.loc[(habit["kind"] == "probe") & ~habit["own"], "name"]
    rows = probes[
        probes["probe"].isin(names) & (probes["q"] < measure.LEVEL) & (probes["judged_by"] == "presence")
    ]
    rows = rows.sort_values("delta", key=np.abs, ascending=False).head(TOLD)
    lead = habit[habit["lead"]]
    ways = np.sign(rows["delta"] * lead["delta"].sum())
    # Over all prompts too, as the others' are; of what a phrase or a feature leads nothing is compared.
    size = probes.loc[probes["probe"].isin(lead.loc[lead["kind"] == "probe", "name"]), "delta"].abs().max()
    return [
        Beside(
            f"{'less often ' if way < 0 else ''}{naming.words('probe', str(name), {})}",
            float(a),
            float(b),
            bool(abs(delta) > size),
        )
        for name, way, a, b, delta in zip(
            rows["probe"], ways, rows["frequency_a"], rows["frequency_b"], rows["delta"], strict=True
        )
    ]
