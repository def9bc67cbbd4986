"""A payment provider: a stand-in for the outside world that does not answer a payment's first two attempts."""

from collections import Counter
from uuid import NAMESPACE_URL, uuid5

from convexpy import ConvexError

DECLINED_CENTS = 1300

_asked: Counter[str] = Counter()


async def charge(cents: int, idempotency_key: str) -> str:
    """Take the money and return a receipt. The same key takes it once, however often it comes."""
    _asked[idempotency_key] += 1
    if cents == DECLINED_CENTS:
        raise ConvexError("PAYMENT_REQUIRED", "The card was declined")
    if _asked[idempotency_key] <= 2:
        raise ConnectionError("the provider does not answer")
    print(f"         [provider] {cents / 100:.2f} € taken, at attempt {_asked[idempotency_key]}", flush=True)
    return uuid5(NAMESPACE_URL, idempotency_key).hex
