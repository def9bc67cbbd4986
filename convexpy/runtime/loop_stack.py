"""Which function holds an event loop: what its thread executes at this moment."""

from __future__ import annotations

import sys
import threading
import traceback
from types import FrameType

from .events import is_internal_frame
from .handler import invoke_async


def function_on(thread: threading.Thread) -> str:
    """``mail:send, at shop/mail.py:12 in send``: the function that runs on a thread, and its line."""
    frame = sys._current_frames().get(thread.ident or 0)
    name = name_of(frame)
    frames = [each for each in traceback.extract_stack(frame) if not is_internal_frame(each.filename)] if frame else []
    own = [each for each in frames if "site-packages" not in each.filename and "<" not in each.filename]
    place = f", at {own[-1].filename}:{own[-1].lineno} in {own[-1].name}" if own else ""
    return (name or "a task that an action started") + place


def name_of(frame: FrameType | None) -> str | None:
    """The innermost action on a stack. None: a task that an action created runs without it."""
    while frame is not None:
        if frame.f_code is invoke_async.__code__:
            return str(frame.f_locals["call"].function.name)
        frame = frame.f_back
    return None
