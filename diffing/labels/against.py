"""What counting says against the labels that stand in a study, feature by feature.

Puts together what `contradictions` needs: a diff, the labels, and where features fire in the answers, which takes
a look at up to `contradictions.DOCUMENTS` of them a feature. Promises nothing about labels that only say tokens.
"""

from collections.abc import Sequence

from diffing import diff, labels
from diffing.labels import contradictions
from diffing.labels.contradictions import Contradiction
from diffing.reader.encodings import Encodings
from diffing.study.study import Study


def of(
    study: Study,
    a: str = "",
    b: str = "",
    features: Sequence[int] | None = None,
    settings: diff.DiffSettings | None = None,
) -> dict[int, list[Contradiction]]:
    """What counting says against the labels that stand, by feature; those without any flag are absent."""
    stored = diff.load(study, *study.sides(a, b), settings)
    rows = stored.features.set_index("feature")
    probes = stored.probes.set_index("probe")
    encodings = Encodings.open(study)
    by_feature = {}
    for feature, label in labels.current(study).items():
        # A rule says which tokens a feature fires on, and so is right by what it says.
        if label.author_kind == "rule" or (features is not None and feature not in features):
            continue
        things = contradictions.named(label.label)
        if things and feature in rows.index:
            near = contradictions.share_near(encodings, feature)
            flags = contradictions.check(feature, label.label, rows.loc[feature], probes, near)
            if flags:
                by_feature[feature] = flags
    return by_feature
