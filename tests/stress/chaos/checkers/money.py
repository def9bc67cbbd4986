"""Money: every effect moved some from one account to another, so nothing may be made, lost or moved otherwise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from .run import Run
from .verdict import Violation

AT_FIRST: Final = 1000


def check(run: Run) -> Iterator[Violation]:
    """I1: the total, and each account against the replay of all effects."""
    replayed: Counter[Any] = Counter(dict.fromkeys(run.accounts, AT_FIRST))
    for effect in run.effects:
        if effect.moved is not None:
            payer, payee, amount = effect.moved
            replayed[payer] -= amount
            replayed[payee] += amount
    total, whole = sum(run.accounts.values()), AT_FIRST * len(run.accounts)
    if total != whole:
        yield Violation("money-total", f"{len(run.accounts)} accounts hold {total} together, not {whole}")
    for account, balance in replayed.items():
        held = run.accounts.get(account)
        if held != balance:
            text = f"the account {account} holds {held}, and its effects add up to {balance}"
            yield Violation("money-account", text)
