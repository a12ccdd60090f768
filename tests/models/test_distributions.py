"""Drawing parameters, initial states, weights and delays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.description import FiringPhase, Normal, Uniform
from simulators.description.distributions import draw_values


def test_uniform_fills_its_interval_evenly() -> None:
    values = Uniform(-2.0, 3.0).draw(20_000, np.random.default_rng(1))
    assert values.min() >= -2.0
    assert values.max() < 3.0
    assert np.allclose(np.histogram(values, 10, (-2.0, 3.0))[0], 2000, atol=250)


def test_normal_has_its_moments() -> None:
    values = Normal(5.0, 2.0).draw(50_000, np.random.default_rng(1))
    assert values.mean() == pytest.approx(5.0, abs=0.05)
    assert values.std() == pytest.approx(2.0, abs=0.05)


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 3.0), st.integers(0, 200))
def test_normal_is_redrawn_into_its_bounds(seed: int, sd: float, size: int) -> None:
    values = Normal(1.5, sd, 0.1, 4.0).draw(size, np.random.default_rng(seed))
    assert values.shape == (size,)
    assert ((values >= 0.1) & (values <= 4.0)).all()


def test_redrawing_does_not_clip() -> None:
    values = Normal(0.0, 1.0, 0.0).draw(10_000, np.random.default_rng(1))
    assert (values == 0.0).sum() == 0
    assert values.mean() == pytest.approx(np.sqrt(2 / np.pi), abs=0.03)  # of a half-normal


def test_a_normal_that_misses_its_bounds_is_an_error_not_a_hang() -> None:
    with pytest.raises(ValueError, match="hardly ever"):
        Normal(0.0, 1.0, 40.0, 41.0).draw(5, np.random.default_rng(1))


def test_firing_phase_lies_between_reset_and_threshold() -> None:
    # A drive of 30 mV, threshold 20, reset 0, tau 20: the interval is 20·ln(30/10) ms.
    period = 20.0 * np.log(3.0)
    values = FiringPhase(30.0, 20.0, period, 20.0).draw(10_000, np.random.default_rng(1))
    assert values.min() >= 0.0 - 1e-9
    assert values.max() <= 20.0
    phases = 20.0 * np.log((30.0 - values) / 10.0) / period
    assert np.allclose(np.histogram(phases, 10, (0.0, 1.0))[0], 1000, atol=150)


def test_plain_numbers_are_not_drawn() -> None:
    assert draw_values(3, 10, 1, "E", "t_ref") == 3.0
    assert isinstance(draw_values(3, 10, 1, "E", "t_ref"), float)


def test_each_label_and_seed_has_a_stream_of_its_own() -> None:
    def draw(seed: int, *labels: str) -> tuple[float, ...]:
        return tuple(np.atleast_1d(draw_values(Uniform(0.0, 1.0), 20, seed, *labels)))

    assert draw(1, "E", "V_m") == draw(1, "E", "V_m")
    assert len({draw(1, "E", "V_m"), draw(2, "E", "V_m"), draw(1, "I", "V_m"), draw(1, "E", "I_e")}) == 4
