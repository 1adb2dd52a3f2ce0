"""How shares are rounded: alike on the terminal, on the pages and in the model card."""

from decimal import ROUND_HALF_UP, Decimal

# Beyond these digits, a mean of shares differs from the exact one by errors of floating point.
EXACT_DIGITS = 9


def rounded(number: float | Decimal, digits: int) -> Decimal:
    """Round to decimal digits, halves away from zero.

    Python rounds the binary number: it formats 0.975, which is a little less than that, as 0.97 and
    97.5 as 98.
    """
    exact = Decimal(f"{number:.{EXACT_DIGITS}f}")
    return exact.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)


def percent(share: float | None, digits: int = 0) -> str:
    """Format a share in percent, with a decimal if it would round to 0 or 100 and is not.

    A dash stands for a share that is undefined.
    """
    if share is None:
        return "\N{EN DASH}"
    exact = rounded(100 * share, EXACT_DIGITS)
    shown = rounded(exact, digits)
    if shown in (0, 100) and shown != exact:
        shown = min(max(rounded(exact, 1), Decimal("0.1")), Decimal("99.9"))
    return f"{shown:f}"
