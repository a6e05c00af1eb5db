"""What came of the benchmark: runs and claims out of Inspect's logs, and the table of arms.

Nulls stand in the first column and in no mean of grades; what a run cost stands beside what it found. Promises
that a run which broke off is a row like any other, that no figure is of runs which are still to come, and that
each row says where its transcript lies. Needs inspect_ai to read logs, and nothing of it for the figures.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from diffing.agents.benchmark import statistics
from diffing.agents.benchmark.grading import TRUE, reliability
from diffing.agents.benchmark.statistics import Ordered, Values
from diffing.common import stats
from diffing.common.errors import UserError
from diffing.common.words import small

SHOWN = {
    **{"arm": "", "framing": "", "null runs": "d", "invented": ".0%", "rejected": ".0%", "runs": "d"},
    **{"recall": ".2f", "recall low": ".2f", "recall high": ".2f", "grade": ".2f", "at least 4": ".0%"},
    **{"false": ".2f", "repeats": ".2f", "agreement": ".2f", "brier": ".2f", "broken": ".0%", "unjudged": "d"},
    **{"tokens": ",.0f", "dollars": ".4f", "minutes": ".1f"},
}
"""Columns of the table of arms that a person is shown, each with its form."""
KEY = ["arm", "framing", "model"]
"""What makes runs comparable: one row of the table."""


def read(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Runs and their claims, a row each, out of all logs of a folder."""
    from inspect_ai.log import list_eval_logs, read_eval_log

    paths = list_eval_logs(str(folder)) if folder.is_dir() else []
    runs: list[dict[str, Any]] = []
    claims: list[dict[str, Any]] = []
    for path in paths:
        log = read_eval_log(path)
        for sample in log.samples or []:
            run = _run(log, sample, path.name)
            runs.append(run)
            claims += _claims(run, sample)
    if not runs:
        raise UserError(f"There is no run of the benchmark in '{folder.name}'; start one with 'bench run'.")
    # What was tried again stands in two logs; the later one counts.
    table = pd.DataFrame(runs).drop_duplicates([*KEY, "task", "epoch"], keep="last").reset_index(drop=True)
    of_runs = pd.DataFrame(claims, columns=None if claims else [*KEY, "task", "epoch", "confidence", "true"])
    return table, of_runs.drop_duplicates([*KEY, "task", "epoch", "place"], keep="last") if claims else of_runs


def _run(log: Any, sample: Any, path: str) -> dict[str, Any]:
    told = sample.metadata
    organism = told["organism"]
    score = next(iter((sample.scores or {}).values()), None)
    seen = score.metadata if score and score.metadata else {}
    value = score.value if score else {}
    null = organism["kind"] == "none"
    grades = list(seen.get("items", {}).values())
    tokens, dollars = _spent(sample)
    return {
        "arm": told["arm"],
        "framing": told["framing"],
        "model": log.eval.model,
        "task": str(sample.id),
        "organism": organism["name"],
        "strength": told["strength"],
        "tier": organism["tier"],
        "kind": organism["kind"],
        "null": null,
        "epoch": sample.epoch,
        "handed": bool(seen.get("handed", False)),
        "why": seen.get("why", "") if score else _why(sample),
        "claims": len(seen.get("claims", [])),
        "asserted": bool(seen.get("claims")),
        "recall": np.nan if null else float(value.get("recall", 0.0)),
        "grade": np.nan if null else float(value.get("grade", 1.0)),
        "best": np.nan if null else float(max(grades, default=1)),
        "grades": seen.get("items", {}),
        "found": found(seen.get("items", {})),
        "false": float(value.get("false", 0.0)),
        "repeats": float(value.get("repeats", 0.0)),
        "unjudged": int(seen.get("unjudged", 0)),
        "brier": seen.get("brier"),
        "rating": seen.get("rating"),
        "prompts": int(seen.get("seen", 0)),
        "tokens": tokens,
        "dollars": dollars,
        "minutes": (sample.total_time or 0.0) / 60,
        "log": path,
    }


def found(grades: Mapping[str, int]) -> frozenset[str]:
    """The items of which a run said what the model does."""
    return frozenset(name for name, grade in grades.items() if grade >= TRUE)


def plain(row: Mapping[Any, Any]) -> dict[str, Any]:
    """A row as plain values, None where nothing is known."""
    return {str(key): None if value is None or value != value else value for key, value in row.items()}


def _why(sample: Any) -> str:
    """Of a run without any score."""
    return str(sample.error.message).splitlines()[-1] if sample.error else "It was not scored."


def _spent(sample: Any) -> tuple[int, float | None]:
    """Tokens and dollars of the agent, without the judge's."""

    def of(usage: dict[str, Any]) -> tuple[int, float | None]:
        costs = [each.total_cost for each in usage.values()]
        return sum(each.total_tokens for each in usage.values()), None if None in costs else sum(costs)

    tokens, dollars = of(sample.model_usage)
    judge, judged = of({name: each for name, each in sample.role_usage.items() if name == "grader"})
    return tokens - judge, None if dollars is None or judged is None else dollars - judged


def _claims(run: dict[str, Any], sample: Any) -> Iterator[dict[str, Any]]:
    score = next(iter((sample.scores or {}).values()), None)
    for place, each in enumerate((score.metadata or {}).get("claims", []) if score else []):
        yield {
            **{name: run[name] for name in (*KEY, "task", "organism", "null", "epoch")},
            "place": place,
            **{
                name: each[name]
                for name in ("text", "more", "confidence", "item", "grade", "how", "repeat", "unjudged")
            },
            "true": each["grade"] >= TRUE,
            "evidence": len(each["evidence"]),
            "read": each["read"],
            "q": each["q"],
            "holds": each["holds"],
        }


def arms(runs: pd.DataFrame, claims: pd.DataFrame) -> pd.DataFrame:
    """The table of arms: nulls first, then what was found, then what it cost."""
    rows = []
    for key, mine in runs.groupby(KEY, sort=True):
        nulls, real = mine[mine["null"]], mine[~mine["null"]]
        share, low, high = _share(nulls["asserted"])
        recall, recall_low, recall_high = statistics.mean(_values(real, "recall"))
        own = claims.merge(pd.DataFrame([dict(zip(KEY, key, strict=True))])) if len(claims) else claims
        rows.append(
            {
                **dict(zip(KEY, key, strict=True)),
                "null runs": len(nulls),
                "invented": share,
                "invented low": low,
                "invented high": high,
                "rejected": _mean(nulls["handed"] & ~nulls["asserted"]),
                "runs": len(real),
                "organisms": real["task"].nunique(),
                "recall": recall,
                "recall low": recall_low,
                "recall high": recall_high,
                "grade": _mean(real.groupby("task")["grade"].mean()),
                "at least 2": _mean(real["best"] >= 2),
                "at least 4": _mean(real["best"] >= 4),
                "false": _mean(real["false"]),
                "repeats": _mean(real["repeats"]),
                "agreement": statistics.agreement(_found(real)),
                "brier": _brier(own),
                "rating": _mean(real["rating"].dropna().astype(float)),
                "broken": _mean(~mine["handed"]),
                "unjudged": int(mine["unjudged"].sum()),
                "tokens": _mean(mine["tokens"]),
                "dollars": _mean(mine["dollars"].astype(float)),
                "minutes": _mean(mine["minutes"]),
            }
        )
    return pd.DataFrame(rows)


def _values(runs: pd.DataFrame, name: str) -> Values:
    return {str(task): mine[name].tolist() for task, mine in runs.groupby("task")}


def _found(runs: pd.DataFrame) -> dict[str, list[frozenset[str]]]:
    return {str(task): mine["found"].tolist() for task, mine in runs.groupby("task")}


def _mean(values: Any) -> float:
    return float(np.mean(values)) if len(values) else float("nan")


def _share(asserted: pd.Series) -> tuple[float, float, float]:
    """The share of runs, with Wilson's interval."""
    if not len(asserted):
        return float("nan"), float("nan"), float("nan")
    share = np.array([asserted.mean()])
    low, high = stats.wilson(share, len(asserted))
    return float(share[0]), float(low[0]), float(high[0])


def _brier(claims: pd.DataFrame) -> float:
    if not len(claims):
        return float("nan")
    judged = claims[~claims["unjudged"]]
    return _mean((judged["confidence"] - judged["true"]) ** 2)


def comparisons(runs: pd.DataFrame, measure: str = "recall") -> pd.DataFrame:
    """Each arm against each other, of one framing and model, by exact tests paired by organism."""
    rows = []
    for key, mine in runs[~runs["null"]].groupby(["framing", "model"], sort=True):
        names = sorted(mine["arm"].unique())
        of = {name: _values(mine[mine["arm"] == name], measure) for name in names}
        for place, one in enumerate(names):
            for other in names[place + 1 :]:
                told = statistics.compared(of[one], of[other])
                rows.append({"framing": key[0], "model": key[1], "arm": one, "other": other, **told._asdict()})
    table = pd.DataFrame(rows)
    if len(table):
        table["q"] = stats.benjamini_hochberg(table["p"].to_numpy(dtype=np.float64))
    return table


def compared_in_words(row: Mapping[str, Any]) -> str:
    """One comparison of two arms as a sentence."""
    if not row["organisms"]:
        return f"{row['other']} and {row['arm']} share no organism."
    sure = "no organism tells them apart" if row["p"] is None else f"p = {small(row['p'])}"
    return (
        f"{row['other']} less {row['arm']}: recall {row['delta']:+.2f} ({row['low']:+.2f} to {row['high']:+.2f}), "
        f"{sure}, on {row['organisms']} organism{'s' * (row['organisms'] != 1)}."
    )


def ordered_in_words(model: Ordered) -> str:
    """What the ordered model says, in a sentence."""
    if model.why:
        return f"The ordered model: {model.why}"
    told = (f"{arm} {middle:+.2f} ({low:+.2f} to {high:+.2f})" for arm, (middle, low, high) in model.arms.items())
    return f"The ordered model, log odds of a higher grade against {model.first}: {', '.join(told)}."


def graded(runs: pd.DataFrame) -> pd.DataFrame:
    """A row a run and item, for the ordered model."""
    rows = [
        {"arm": run["arm"], "organism": run["task"], "item": item, "grade": grade}
        for run in runs[~runs["null"]].to_dict("records")
        for item, grade in run["grades"].items()
    ]
    return pd.DataFrame(rows, columns=["arm", "organism", "item", "grade"])


def calibration(claims: pd.DataFrame) -> pd.DataFrame:
    """Confidence against truth, over all claims that were judged; claims of nulls are not true."""
    judged = claims[~claims["unjudged"]] if len(claims) else claims
    return reliability(judged)


def against_q(claims: pd.DataFrame) -> dict[str, int]:
    """Our own verification against the truth, over the claims that both say something of."""
    if not len(claims):
        return {"held and true": 0, "held and not true": 0, "not held and true": 0, "not held and not true": 0}
    both = claims[claims["holds"].notna() & ~claims["unjudged"]]
    holds, true = both["holds"].astype(bool), both["true"].astype(bool)
    return {
        "held and true": int((holds & true).sum()),
        "held and not true": int((holds & ~true).sum()),
        "not held and true": int((~holds & true).sum()),
        "not held and not true": int((~holds & ~true).sum()),
    }
