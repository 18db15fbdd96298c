"""Prefix trees: rows come out of them as they went in, and each token sees exactly what comes before it in its row."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stages.train.tree import Branch, Line, Tree, common, cut, in_order, pack, padded, sequences, single

BUDGET = st.integers(8, 60)


@st.composite
def lines(draw: st.DrawFn) -> list[Line]:
    """Rows over three tokens, so that many begin alike."""
    found = []
    for _ in range(draw(st.integers(1, 12))):
        keys = tuple(draw(st.lists(st.integers(0, 2), min_size=1, max_size=14)))
        prompt = draw(st.integers(1, len(keys)))
        edges = sorted((draw(st.integers(0, prompt)), draw(st.integers(0, prompt))))
        found.append(Line(keys, prompt, range(*edges)))
    return found


def flat(tree: Tree, rows: list[Line]) -> list[int]:
    return [key for branch in tree.branches for key in rows[branch.row].keys[branch.shared :]]


@given(lines(), BUDGET)
def test_every_row_can_be_read_from_its_tree(rows: list[Line], budget: int):
    trees = cut(in_order(range(len(rows)), rows), budget, 0.4)
    assert sorted(branch.row for tree in trees for branch in tree.branches) == list(range(len(rows)))
    for tree in trees:
        tokens = flat(tree, rows)
        assert len(tokens) == tree.length
        assert padded(tree.length) <= max(budget, padded(len(rows[tree.branches[0].row].keys)))
        for branch, path in zip(tree.branches, tree.paths(), strict=True):
            assert tuple(tokens[place] for place in path) == rows[branch.row].keys
            assert path == sorted(path)


@given(lines(), BUDGET)
def test_every_token_sees_its_path_and_nothing_else(rows: list[Line], budget: int):
    for tree in cut(in_order(range(len(rows)), rows), budget, 0.4):
        until = tree.seen_until()
        for path in tree.paths():
            for depth, query in enumerate(path):
                seen = [key for key in range(tree.length) if key <= query < until[key]]
                assert seen == path[: depth + 1]


@given(lines(), BUDGET, st.integers(1, 4))
def test_packs_hold_every_tree_once_within_the_budget(rows: list[Line], budget: int, parts: int):
    trees = cut(in_order(range(len(rows)), rows), budget, 0.4)
    packs = pack(trees, budget, parts)
    assert sorted((tree for each in packs for tree in each), key=repr) == sorted(trees, key=repr)
    for each in packs:
        assert len(each) == 1 or len(each) * padded(max(tree.length for tree in each)) <= budget
    lengths = [padded(each[0].length) for each in packs]
    assert lengths == sorted(lengths, reverse=True)


@given(lines())
def test_the_order_of_rows_decides_nothing_but_their_places(rows: list[Line]):
    names = list(range(len(rows)))
    found = in_order(names, rows)
    backwards = in_order(names[::-1], rows)
    assert found == backwards


def line(*keys: int, prompt: int = 4, pictures: range = range(0)) -> Line:
    return Line(keys, prompt, pictures)


def test_a_row_that_shares_little_begins_a_tree_in_a_padded_batch():
    branches = in_order(range(3), [line(1, 1, 1, 1, 5), line(1, 1, 2, 2, 5), line(1, 3, 3, 3, 5)])
    assert [[branch.row for branch in tree.branches] for tree in cut(branches, 99, 0.4)] == [[0, 1], [2]]
    assert [[branch.row for branch in tree.branches] for tree in cut(branches, 99)] == [[0, 1, 2]]


def test_equal_rows_take_no_further_tokens():
    tree = cut(in_order(range(2), [line(1, 2, 3, 4, 5)] * 2), 99)[0]
    assert tree.branches == (Branch(0, 0, 5), Branch(1, 5, 5))
    assert tree.length == 5


def test_pictures_are_shared_together_or_not_at_all():
    one, other = line(1, 7, 7, 7, 8, 2, pictures=range(1, 5)), line(1, 7, 7, 9, 8, 2, pictures=range(1, 5))
    assert common(one, other) == 1
    assert common(one, line(1, 7, 7, 7, 8, 3, pictures=range(1, 5))) == 5


def test_packs_are_evened_out_over_processes():
    rows = [line(number, *[0] * 7) for number in range(9)]
    trees = single(range(9), rows)
    assert [len(each) for each in pack(trees, 64)] == [5, 4]  # 8 and 1 would fit, too
    assert [len(each) for each in pack(trees, 64, parts=3)] == [3, 3, 3]


def test_a_row_longer_than_the_budget_is_computed_alone():
    rows = [line(*[0] * 30), line(*[1] * 5)]
    assert [len(each) for each in pack(cut(in_order(range(2), rows), 16), 16)] == [1, 1]


@given(lines(), BUDGET, st.integers(1, 4))
def test_sequences_hold_every_row_once_within_the_budget(rows: list[Line], budget: int, parts: int):
    branches = in_order(range(len(rows)), rows)
    packs = sequences(branches, budget, parts)
    trees = [tree for (tree,) in packs]
    assert sorted(branch.row for tree in trees for branch in tree.branches) == list(range(len(rows)))
    for tree in trees:
        assert padded(tree.length) <= budget or len(tree.branches) == 1
    fewest = len(cut(branches, budget))
    assert fewest <= len(trees) <= -(-fewest // parts) * parts
    assert [tree.length for tree in trees] == sorted((tree.length for tree in trees), reverse=True)


def test_sequences_are_evened_out_over_processes():
    branches = in_order(range(8), [line(number, *[0] * 7) for number in range(8)])
    assert [len(tree.branches) for (tree,) in sequences(branches, 1000)] == [8]
    assert [len(tree.branches) for (tree,) in sequences(branches, 1000, parts=4)] == [2, 2, 2, 2]
