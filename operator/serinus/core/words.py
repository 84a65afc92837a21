"""Numbers as people read them."""

import math


def percent(bad: float, total: float) -> str:
    """A share: `0.39%`, `4.1%`, or `no requests`."""
    if total <= 0:
        return "no requests"
    share = 100 * bad / total
    return f"{share:.2g}%" if 0 < share < 1 else f"{share:.1f}%"


def share_of(bad: float, total: float) -> str:
    """A share with its size: `0.39% of 1268`."""
    return "no requests" if total <= 0 else f"{percent(bad, total)} of {total:.0f}"


def big_number(log: float) -> str:
    """e to the power of `log`: 0.3, 42, 3.1e5; tiny ones are shown as <0.01."""
    if log > 600:
        return f"1e{log / math.log(10):.0f}"
    value = math.exp(log)
    if value < 0.01:
        return "<0.01"
    return f"{value:.2g}" if value < 1000 else f"{value:.1e}".replace("e+0", "e").replace("e+", "e")


def plain_number(value: float) -> str:
    """Up to four significant digits, no exponent for usual sizes: 1.2, 0.0314, 12000."""
    return f"{value:.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
