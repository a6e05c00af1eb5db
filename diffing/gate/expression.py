"""The rule of a gate as a person writes it: `q_gate < 0.05 and abs(delta) > 0.1`.

Read by Python's own parser and walked by a list of what may stand in it: names from a given list, numbers, texts
in quotes, comparisons, `in`, `and`, `or`, `not`, and `abs`, `min` and `max`. Promises that nothing of it is ever
run as code, that it is refused before anything is compared where it could fail later, and that a figure that is
not known (NaN) makes every comparison with it untrue.
"""

import ast
import difflib
import math
import operator
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

from diffing.common.errors import UserError

USUAL = "q_gate < 0.05 and abs(delta) > 0.1 and survives_length != 'no'"
"""The rule unless another is given: surely more than nothing, over all that is looked at; ten answers in a hundred
or a tenth of an amount; and not what only comes with longer answers, as their length is on the list itself."""
SIZE = 0.1
"""The change that must not go unseen, where a rule names none: that of the usual one."""

LONGEST, MOST, DEEPEST = 1000, 200, 30
"""Characters, parts and levels of a rule: many times what one takes that a person can read."""

Type = Literal["number", "text", "truth"]
CALLS: Mapping[str, Callable[..., Any]] = {"abs": abs, "min": min, "max": max}
COMPARED: Mapping[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.In: lambda left, right: left in right,
    ast.NotIn: lambda left, right: left not in right,
}
REFUSED: Mapping[type[ast.AST], str] = {
    ast.Attribute: "a name with a point",
    ast.Subscript: "something in square brackets behind a name",
    ast.BinOp: "arithmetic",
    ast.Lambda: "a function",
    ast.NamedExpr: "an assignment",
    ast.IfExp: "an if",
    ast.JoinedStr: "a text with code in it",
}
"""What people and attackers try most; anything else is refused as well, with less to say of it."""
MAY = "names, numbers, texts in quotes, comparisons, in, and, or, not, abs(), min() and max()"


class Expression(NamedTuple):
    """A rule that was read and found sound."""

    text: str
    tree: ast.expr

    def holds(self, figures: Mapping[str, Any]) -> bool:
        """Whether it is true of these figures, which have all names that it may use."""
        return bool(_value(self.tree, figures))

    def size(self, names: tuple[str, ...]) -> float | None:
        """The smallest number above 0 that it holds one of these names, or its `abs`, against; None where none."""
        return min(_sizes(self.tree, names), default=None)


def parse(text: str, names: Mapping[str, Type]) -> Expression:
    """A rule read; a `UserError` says what in it cannot stand there."""
    line = " ".join(text.split("\n")).strip()
    if len(line) > LONGEST:
        raise UserError(f"The rule has {len(line):,} characters; write one of at most {LONGEST:,}.")
    try:
        with warnings.catch_warnings():
            # Python warns of odd texts in code; this is none, and what matters is refused below.
            warnings.simplefilter("ignore")
            tree = ast.parse(line, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else "too deep, or with a character that no rule has"
        raise UserError(f"The rule '{line[:80]}' cannot be read ({reason}); write it of {MAY}.") from error
    if _depth(tree) > DEEPEST or sum(1 for _ in ast.walk(tree)) > MOST:
        raise UserError(
            f"The rule has more than {MOST} parts, or brackets in {DEEPEST} others; write a shorter one."
        )
    if _type(tree, line, names) != "truth":
        raise UserError(f"The rule '{line[:80]}' compares nothing; write one such as 'abs(delta) > 0.1'.")
    return Expression(line, tree)


def _depth(tree: ast.AST) -> int:
    # Level by level, as a tree that is too deep is the very thing that is asked for.
    level: list[ast.AST] = [tree]
    for depth in range(DEEPEST + 2):
        level = [child for node in level for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]
        if not level:
            return depth
    return DEEPEST + 1


def _type(node: ast.expr, text: str, names: Mapping[str, Type]) -> Type:
    """What a part comes to; a `UserError` where it may not stand there, or is held against another kind."""
    if isinstance(node, ast.Constant) and type(node.value) in (int, float, str):
        return "text" if isinstance(node.value, str) else "number"
    if isinstance(node, ast.Name):
        return _named(node.id, names)
    if isinstance(node, ast.BoolOp):
        return _all(node.values, "truth", text, names)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return _all([node.operand], "truth", text, names)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        return _all([node.operand], "number", text, names)
    if isinstance(node, ast.Compare):
        return _comparison(node, text, names)
    if isinstance(node, ast.Call):
        return _call(node, text, names)
    what = REFUSED.get(type(node), "something else")
    raise UserError(f"'{_piece(node, text)}' in the rule is {what}; it may be of {MAY}.")


def _named(name: str, names: Mapping[str, Type]) -> Type:
    if name in names:
        return names[name]
    near = difflib.get_close_matches(name, names, 1)
    meant = f"; did you mean '{near[0]}'?" if near else "."
    raise UserError(f"'{name}' is no name that a rule knows{meant} It knows {', '.join(names)}.")


def _all(nodes: list[ast.expr], wanted: Type, text: str, names: Mapping[str, Type]) -> Type:
    for node in nodes:
        found = _type(node, text, names)
        if found != wanted:
            what = {"truth": "true or untrue", "number": "a number", "text": "a text"}
            raise UserError(
                f"'{_piece(node, text)}' in the rule is {what[found]} where {what[wanted]} is asked for; "
                "compare it."
            )
    return wanted


def _call(node: ast.Call, text: str, names: Mapping[str, Type]) -> Type:
    known = isinstance(node.func, ast.Name) and node.func.id in CALLS
    if not known or node.keywords or any(isinstance(part, ast.Starred) for part in node.args):
        raise UserError(
            f"'{_piece(node, text)}' in the rule is a call; only abs(), min() and max() may be called."
        )
    assert isinstance(node.func, ast.Name)
    if (len(node.args) == 1) != (node.func.id == "abs") or not node.args:
        raise UserError(f"'{_piece(node, text)}': abs() takes one number, min() and max() two or more.")
    return _all(node.args, "number", text, names)


def _comparison(node: ast.Compare, text: str, names: Mapping[str, Type]) -> Type:
    left = node.left
    for way, right in zip(node.ops, node.comparators, strict=True):
        if type(way) not in COMPARED:
            raise UserError(f"'{_piece(node, text)}' in the rule compares by 'is'; write == or != instead.")
        kind = _type(left, text, names)
        if isinstance(way, ast.In | ast.NotIn) and isinstance(right, ast.Tuple | ast.List):
            _all(right.elts, kind, text, names)
        else:
            _all([right], kind, text, names)
            if kind == "truth" or (isinstance(way, ast.In | ast.NotIn) and kind == "number"):
                raise UserError(
                    f"'{_piece(node, text)}' in the rule cannot be compared so; hold a number against a number, "
                    "or a text against a text."
                )
        left = right
    return "truth"


def _piece(node: ast.expr, text: str) -> str:
    return (ast.get_source_segment(text, node) or "")[:60]


def _value(node: ast.expr, figures: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            return figures[name]
        case ast.BoolOp(op=way, values=parts):
            return (all if isinstance(way, ast.And) else any)(_value(part, figures) for part in parts)
        case ast.UnaryOp(op=way, operand=part):
            value = _value(part, figures)
            return not value if isinstance(way, ast.Not) else -value if isinstance(way, ast.USub) else value
        case ast.Call(func=ast.Name(id=name), args=parts):
            values = [_value(part, figures) for part in parts]
            # Python's own takes or leaves what is not known by the order in which it stands.
            return math.nan if any(value != value for value in values) else CALLS[name](*values)
        case ast.Compare():
            return _compared(node, figures)
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            return [_value(part, figures) for part in parts]
    raise AssertionError(f"{type(node).__name__} was let in")


def _compared(node: ast.Compare, figures: Mapping[str, Any]) -> bool:
    left = _value(node.left, figures)
    for way, part in zip(node.ops, node.comparators, strict=True):
        right = _value(part, figures)
        # Nothing is known of what is not known, not even that it is another.
        unknown = left != left or (isinstance(right, float) and right != right)
        if unknown or not COMPARED[type(way)](left, right):
            return False
        left = right
    return True


def _sizes(tree: ast.expr, names: tuple[str, ...]) -> Iterator[float]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            parts = [node.left, *node.comparators]
            for here, beside in [*zip(parts, parts[1:], strict=False), *zip(parts[1:], parts, strict=False)]:
                value = _number(beside)
                if _about(here) in names and value is not None and value != 0:
                    yield abs(value)


def _about(node: ast.expr) -> str:
    """The name that a side of a comparison is of."""
    if isinstance(node, ast.Call) and len(node.args) == 1:
        node = node.args[0]
    return node.id if isinstance(node, ast.Name) else ""


def _number(node: ast.expr) -> float | None:
    if isinstance(node, ast.UnaryOp) and not isinstance(node.op, ast.Not):
        return _number(node.operand)
    if isinstance(node, ast.Constant) and not isinstance(node.value, str):
        return float(node.value)  # type: ignore[arg-type]
    return None
