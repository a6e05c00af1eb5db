"""Of a set of checkpoints without an order: which one stands apart from the mean of the others, and in what.

Follows what a timeline follows, on the same prompts. Promises p-values that hold for the largest of all
checkpoints' differences, so that nobody has to say beforehand which one is meant. Says nothing of features:
`series` does.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from diffing.common import stats
from diffing.diff import followed, measure, steps, timeline
from diffing.diff.followed import Group
from diffing.study.study import Study


def of(study: Study, keys: Sequence[str] = ()) -> pd.DataFrame:
    """A row for each item, the surest first."""
    chosen = timeline.order(study, keys)
    here = followed.of(study, chosen)
    tested = [_tested(group, chosen, study.settings.seed) for group in [*here.groups, here.own]]
    # Own probes are a family of their own, here as everywhere.
    families = [pd.concat(tested[:-1], ignore_index=True), tested[-1]]
    found = [stats.benjamini_hochberg(each["p"].to_numpy(np.float64)) for each in families]
    table = pd.concat(families, ignore_index=True).assign(q=np.concatenate(found))
    table = table.assign(changed=table["q"] < measure.LEVEL)
    order = np.lexsort([-table["z"].abs().fillna(0.0), ~table["changed"]])
    return table.iloc[order].reset_index(drop=True)


def _tested(group: Group, keys: Sequence[str], seed: int) -> pd.DataFrame:
    found = steps.apart(group.values, seed)
    return pd.DataFrame(
        {
            "item": np.array(group.names, object),
            "kind": np.full(len(group.names), group.kind, object),
            "says": np.array(group.says, object),
            "unit": np.array(group.units, object),
            "n_prompts": len(group.values),
            "differing": found.differing,
            "one": np.array([keys[number] for number in found.which.tolist()], object),
            "value": found.one,
            "others": found.others,
            "change": found.one - found.others,
            "change_low": found.low,
            "change_high": found.high,
            "z": found.z,
            "p": found.p,
        }
    )
