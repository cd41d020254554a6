from davkeep.webhooks.allowance import BURST, Allowance


def test_no_more_than_the_share_is_used() -> None:
    """Whoever uses it, together they rest until it is earned."""
    now = [100.0]
    allowance = Allowance(0.2, clock=lambda: now[0])
    used = 0.0
    for _ in range(1000):
        used += 0.003
        now[0] += allowance.use(0.003)
    assert used <= 0.2 * (now[0] - 100.0) + BURST + 0.003
    assert used >= 0.2 * (now[0] - 100.0)


def test_who_uses_much_holds_up_nobody_for_long() -> None:
    """A thread that has taken a processor for seconds is paid for by half a second at most."""
    allowance = Allowance(0.2, clock=lambda: 0.0)
    assert 0.4 < allowance.use(100.0) <= 0.5
    assert allowance.use(0.001) <= 0.5


def test_little_needs_no_rest() -> None:
    """Who uses less than the share never waits."""
    now = [0.0]
    allowance = Allowance(0.2, clock=lambda: now[0])
    for _ in range(100):
        assert allowance.use(0.001) == 0.0
        now[0] += 0.01
