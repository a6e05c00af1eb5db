"""What a step is told: options in their own shape, and one sentence for the first that does not fit."""

from typing import Any

import pytest
from pydantic import Field, ValidationError, field_validator

from diffing.common.errors import UserError
from diffing.common.step import Settings, checked


class Inner(Settings):
    draws: int = Field(default=1, ge=1)


class Options(Settings):
    limit: int = Field(default=1, gt=0)
    inner: Inner = Inner()
    side: str = "a"

    @field_validator("side")
    @classmethod
    def known(cls, side: str) -> str:
        if side not in ("a", "b"):
            raise ValueError(f"there is no side '{side}'")
        return side


def test_what_fits_comes_back_in_its_shape() -> None:
    assert checked("count", Options, {"limit": 3, "inner": {"draws": 2}}) == Options(limit=3, inner=Inner(draws=2))


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"limt": 3}, "limt: there is no such setting"),
        ({"limit": 0}, "limit: must be more than 0, and is 0"),
        ({"inner": {"draws": 0}}, "inner.draws: must be at least 1, and is 0"),
        ({"limit": "sk-secret"}, "limit: must be a whole number"),
        ({"side": "c"}, "side: there is no side 'c'"),
    ],
)
def test_the_first_option_that_does_not_fit_is_named(options: dict[str, Any], fault: str) -> None:
    with pytest.raises(UserError) as caught:
        checked("count", Options, options)
    assert str(caught.value) == f"count cannot run: {fault}; change it."


def test_settings_stay_as_they_were_written() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Options().limit = 2
