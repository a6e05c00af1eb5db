"""Clusters of listed differences: like wordings together, unlike ones apart, and the side as it was counted."""

from diffing.findings import clusters
from diffing.findings.findings import Side
from tests.fakes.listers import items


def test_like_phrases_are_put_together_and_unlike_ones_are_not() -> None:
    lists = ["uses numbered lists", "uses a numbered list", "numbered lists for steps", "has a list with numbers"]
    sorry = [
        "opens with an apology",
        "apologizes at the start",
        "starts with an apology",
        "begins with an apology",
    ]
    told = items(*[(str(n), "b", text) for n, text in enumerate(lists)], ("9", "a", "mentions a rare bird"))
    told += items(*[(str(n), "a", text) for n, text in enumerate(sorry)])
    found = clusters.clusters(told)
    assert {c.net > 0: {i.text for i in c.items} <= set(lists) for c in found} == {True: True, False: False}
    for cluster in found:
        texts = {item.text for item in cluster.items}
        assert texts <= set(lists) or texts <= set(sorry)


def test_a_cluster_s_side_is_the_one_where_it_was_listed_on_more_prompts() -> None:
    fewer = items(*[(str(n), "a", "uses lists") for n in range(4)])
    more = items(*[(str(n), "b", "uses lists") for n in range(3, 10)])
    (cluster,) = clusters.clusters(fewer + more)
    assert (cluster.net, cluster.support) == (6 - 3, 10)
    even = items(*[(str(n), "b" if n % 2 else "a", "uses lists") for n in range(10)])
    assert clusters.clusters(even) == []
    assert clusters.clusters([]) == []


def test_sides_play_no_part_in_what_is_put_together() -> None:
    told = [("uses numbered lists", 7), ("uses a numbered list", 4), ("opens with an apology", 5)]

    def grouped(more: Side, less: Side) -> dict[frozenset[str], int]:
        listed = [(str(n), more if n % 4 else less, text) for text, count in told for n in range(count)]
        return {frozenset(item.text for item in one.items): one.net for one in clusters.clusters(items(*listed))}

    found = grouped("b", "a")
    assert {frozenset(text for text, _ in told[:2]), frozenset([told[2][0]])} == set(found)
    assert grouped("a", "b") == {texts: -net for texts, net in found.items()}
