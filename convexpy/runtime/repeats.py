"""What a request asks for, as a digest, and what answers one that a client has sent again."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pydantic_core import to_jsonable_python

from ..database.requests import AnsweredRequest
from ..errors import RepeatRefused
from .call import Call, ResultForm


def digest_of(call: Call) -> str:
    """Identity, function and arguments: what has to be the same if a request is the same.

    Claims are left out, because a renewed token has others. Arguments count as the client gave them: checked ones may
    hold what a default has made up, such as the time.
    """
    who = None if call.identity is None else [call.identity.issuer, call.identity.subject]
    given = call.values if call.given is None else call.given
    asked = [who, call.function.name, call.form.value, to_jsonable_python(given, fallback=repr, bytes_mode="base64")]
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def result_bytes(call: Call, value: Any) -> bytes:
    """The result of a call, as it is kept."""
    return value if call.form is ResultForm.ENCODED else json.dumps(value).encode()


def kept_result(call: Call, answered: AnsweredRequest) -> Any:
    """The result of the call that has answered the request, in the form that the repeated call asks for.

    Raises:
        RepeatRefused: UNPROCESSABLE_CONTENT: that was another call. CONFLICT: its result was too long to be kept.
    """
    if answered.digest != digest_of(call):
        raise RepeatRefused(
            "UNPROCESSABLE_CONTENT",
            "this key of a request was used for another one, with another function, other arguments or another "
            "identity. Nothing was done. Use a new key for each request",
        )
    if answered.result is None:
        raise RepeatRefused("CONFLICT", "done, result not kept: it was longer than 64 KiB")
    return answered.result if call.form is ResultForm.ENCODED else json.loads(answered.result)
