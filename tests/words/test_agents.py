"""The User-Agent field, and which products are meant."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from davkeep.words.agents import Agent, Product, Versions, products_of


@pytest.mark.parametrize(
    ("field", "products"),
    [
        ("", []),
        ("curl/7.88.1", [("curl", (7, 88, 1))]),
        ("davfs2/1.6.1 neon/0.32.5", [("davfs2", (1, 6, 1)), ("neon", (0, 32, 5))]),
        ("rclone/v1.60.1-DEV", [("rclone", (1, 60, 1))]),
        ("rclone/", [("rclone", ())]),
        ("Ruby", [("ruby", ())]),
        ("okhttp/5.0.0-alpha.14", [("okhttp", (5, 0, 0))]),
        ("a (Java/1 (nested) okhttp/4) b/2", [("a", ()), ("b", (2,))]),
        ("curl/8(x)Java/1", [("curl", (8,)), ("java", (1,))]),
        ("a (never closed Java/1", [("a", ())]),
        ("a) Java/1", [("a", ()), ("java", (1,))]),
        ("neon/" + "9" * 5000, [("neon", (999999999,))]),
    ],
)
def test_products(field, products):
    """Products and the numbers of their versions, in order; comments hold none."""
    assert products_of(field) == tuple(Product(*each) for each in products)


@given(st.text())
def test_any_field(field):
    """No field is too odd to be read."""
    assert all(product.name == product.name.lower() for product in products_of(field))


def test_deep_comments_cost_little():
    """The work grows with the field's length, however deeply its comments are nested."""
    begun = time.process_time()
    assert products_of("(" * 60000 + ")" * 60000 + "a") == (Product("a"),)
    assert time.process_time() - begun < 2


@pytest.mark.parametrize(
    ("versions", "inside", "outside"),
    [
        ("", [(), (0, 1), (99,)], []),
        ("<=0.31", [(), (0, 31), (0, 31, 9), (0,)], [(0, 32), (1,)]),
        ("<1.70", [(1, 69, 3)], [(1, 70), (1, 70, 1), (2,)]),
        (">1.69", [(1, 70), (2,)], [(1, 69), (1, 69, 9), ()]),
        ("==0.32", [(0, 32), (0, 32, 5)], [(0, 33), (0, 3), ()]),
        (">=0.33, <1", [(0, 33), (0, 40, 1)], [(1,), (1, 0), (0, 32, 9)]),
    ],
)
def test_versions(versions, inside, outside):
    """A bound counts as far as it is written, and no version is the oldest."""
    allowed = Versions.parse(versions)
    assert all(each in allowed for each in inside)
    assert not any(each in allowed for each in outside)
    assert Versions.parse(str(allowed)) == allowed


@pytest.mark.parametrize("wrong", ["1", "=1", "<", "<1,", "<v1", "< 1 2", "~1", "<=" + "9" * 10])
def test_impossible_versions(wrong):
    """What is no range fails at birth."""
    with pytest.raises(ValueError, match="no range"):
        Versions.parse(wrong)


@pytest.mark.parametrize("wrong", ["", " ", "a/1", "a/", "(a)", "a\n/", "ä"])
def test_impossible_product(wrong):
    """What is no product's name fails at birth."""
    with pytest.raises(ValueError, match="no name"):
        Agent(wrong)


@pytest.mark.parametrize(
    ("agent", "field", "meant"),
    [
        (Agent("Java"), "java/17", True),
        (Agent("Java"), "App/1 Java/17", True),
        (Agent("Java"), "NotJava/17", False),
        (Agent("Java"), "Java-http-client/17", False),
        (Agent("Java"), "x (Java/17)", False),
        (Agent("Microsoft Office"), "Microsoft Office/16.0 (x; Word)", True),
        (Agent("Microsoft Office"), "Microsoft x Office/16.0", False),
        (Agent("Microsoft Office"), "Office/16.0 Microsoft", False),
        (Agent.of("neon", ">=0.33", "davfs2"), "davfs2/1.7 neon/0.33.1", True),
        (Agent.of("neon", ">=0.33", "davfs2"), "davfs2/1.7 neon/0.32.5", False),
        (Agent.of("neon", ">=0.33", "davfs2"), "cadaver/1 neon/0.33", False),
        (Agent.of("neon", ">=0.33"), "davfs2/1.7 neon", False),
    ],
)
def test_agents(agent, field, meant):
    """Whole products, wherever they stand, without case, in the versions and beside the program
    that are asked for.
    """
    assert agent.matches(products_of(field)) is meant
