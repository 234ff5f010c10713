"""Names are moved apart, and no further than they must."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from minillm.viz.figures.labels import spread


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=8))
def test_spread_keeps_the_order_and_the_distance(wanted):
    places = spread(wanted, gap=10)
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    steps = [places[b] - places[a] for a, b in itertools.pairwise(order)]
    assert all(step >= 10 - 1e-9 for step in steps)
    assert abs(sum(places) - sum(wanted)) < 1e-6, "moved as far up as down"


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=8, unique=True))
def test_what_is_far_apart_stays_where_it_is(wanted):
    assert spread([20.0 * w for w in wanted], gap=10) == [20.0 * w for w in wanted]
