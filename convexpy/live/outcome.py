"""``Outcome``: what a live query gave last, and whether it is the same as before."""

from __future__ import annotations

import json
import secrets
from hashlib import blake2b
from itertools import count
from types import TracebackType
from typing import Any, Final, NamedTuple, cast

from ..errors import ConvexError, text_of
from ..runtime.call import Call, ResultForm
from ..runtime.live_run import LiveRun

_numbers: Final = count()


class Outcome(NamedTuple):
    """A value or an error. Equal digests: equal outcomes."""

    value: Any
    error: BaseException | None
    trace: TracebackType | None
    """Where the error was raised."""
    digest: bytes
    journal: str | None = None
    """Where its page ends, for the next runs."""
    request_id: str = ""
    """Of an error: by which the log and its readers know it."""

    @classmethod
    def of(cls, call: Call, run: LiveRun) -> Outcome:
        """What a run gave."""
        if run.error is not None:
            return cls.failed(run.error)._replace(journal=call.journal)
        journal = run.journal if run.journal is not None else call.journal
        data = serialized(call, run.value)
        if journal is not None:
            data += journal.encode("utf-8", "replace")
        return cls(run.value, None, None, digest_of(data), journal)

    @classmethod
    def failed(cls, error: BaseException) -> Outcome:
        """An error instead of a value."""
        code, data = (error.code, error.data) if isinstance(error, ConvexError) else (None, None)
        digest = digest_of(repr((type(error), code, text_of(error), data)).encode("utf-8", "replace"))
        return cls(None, error, error.__traceback__, digest, None, secrets.token_hex(8))


def serialized(call: Call, value: Any) -> bytes:
    """A result as the bytes by which results are compared. One that cannot be serialized is equal to none."""
    try:
        if call.form is ResultForm.ENCODED:
            return cast(bytes, value)
        if call.form is ResultForm.JSON:
            return json.dumps(value).encode()
        return call.function.result.serializer.to_json(value, warnings=False)
    except Exception:
        return f"not serializable {next(_numbers)}".encode()


def digest_of(data: bytes) -> bytes:
    return blake2b(data, digest_size=16).digest()
