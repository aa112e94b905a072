"""Where each step of a training is, by hand."""

import pytest
from conftest import Toy

from kgan.core.recipe import Recipe
from kgan.models.schedules import LinearDecay
from kgan.models.stages import Phase, Stage, laid_out, position, steps_left

RECIPE = Recipe(size=16, batch=4, learning_rate=0.1)
STAGES = (
    Stage("first", 3, (Phase(),), batch=8, size=8), Stage("then", 2, (Phase(),)),
    Stage("last", 5, (Phase(),), batch=2, rate=0.5),
)


def test_stages_take_their_own_numbers_or_the_recipes():
    parts = laid_out(STAGES, RECIPE)
    assert [(p.begin, p.end, p.batch, p.rate, p.size) for p in parts] == [
        (0, 3, 8, 0.1, 8), (3, 5, 4, 0.1, 16), (5, 10, 2, 0.5, 16),
    ]
    assert [s.own for s in STAGES] == ["batch 8, 8 px", "", "batch 2, rate 0.5"]
    assert Stage("8 px, fading in", 1, (), size=8, batch=4).own == "batch 4"  # its name says it


def test_the_position_in_the_data_is_a_sum_over_stages():
    parts = laid_out(STAGES, RECIPE)
    found = [position(parts, step) for step in range(11)]
    assert found == [0, 8, 16, 24, 28, 32, 34, 36, 38, 40, 42]
    assert [p.position(p.begin) for p in parts] == [0, 24, 32]


def test_what_is_left_at_the_most():
    first, then, last = parts = laid_out(STAGES, RECIPE)  # of 512, 1024 and 512 pixels
    assert steps_left(parts, 1, first) == 2 + 2 * 2 + 5
    assert steps_left(parts, 4, then) == 1 + 5
    assert steps_left(parts, 10, last) == 0


def test_a_rate_may_be_that_of_the_present_stage():
    now = [2.0]
    schedule = LinearDecay(lambda: now[0], 10, 0.5)
    twice = schedule.times(2)
    assert [float(schedule(s)) for s in (0, 5, 10)] == pytest.approx([2, 2, 0])
    now[0] = 3.0
    assert (float(schedule(5)), float(twice(5))) == pytest.approx((3, 6))


def test_a_stage_is_no_larger_than_the_recipe():
    class Large(Toy):
        @classmethod
        def stages_of(cls, recipe):
            return (Stage("large", recipe.steps, cls.phases, size=32),)

    with pytest.raises(ValueError, match="stage 'large' has pictures of 32 px, more than the"):
        Large(RECIPE).compile()
