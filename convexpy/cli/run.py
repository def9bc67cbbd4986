"""``convexpy run``: call a function, once or whenever its result changes."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import ConvexError, SubscriptionClosed, text_of
from .arguments import HERE, DatabaseOption, JsonOption, ProjectOption, parse_object
from .failure import WrongUsage
from .opening import opened
from .output import say, show_json
from .run_line import error_lines, scheduled_document, scheduled_notes

if TYPE_CHECKING:
    from ..app import Convex
    from ..runtime.events import Run
    from ..runtime.identity import Identity


def run(
    name: Annotated[str, typer.Argument(metavar="FUNCTION", help="Its name, such as orders:process_order.")],
    args: Annotated[str, typer.Argument(metavar="JSON", help="Its arguments, a JSON object.")] = "{}",
    identity: Annotated[
        str | None, typer.Option("--identity", metavar="JSON", help='Call as a user: \'{"subject": "u1"}\'.')
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="For a query: print its result again whenever a commit changes it.")
    ] = False,
    show_traceback: Annotated[bool, typer.Option("--traceback", help="Show the whole traceback of an error.")] = False,
    project: ProjectOption = HERE,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Call a function and print its result.

    Any function, public or internal. The result is JSON.
    """
    values = parse_object(args, "the arguments", '{"order_id": "o1"}')
    caller = parse_identity(identity) if identity is not None else None
    with opened(project, database) as convex:
        call = CommandLineCall(convex, name, values, caller, show_traceback)
        if watch:
            call.watch(as_json)
        elif not call.once(as_json):
            raise typer.Exit(1)


class CommandLineCall:
    """The call of one ``convexpy run``."""

    def __init__(
        self, convex: Convex, name: str, values: dict[str, Any], identity: Identity | None, show_traceback: bool
    ) -> None:
        self._convex = convex
        self._name = name
        self._values = values
        self._identity = identity
        self._caller = convex if identity is None else convex.with_identity(identity)
        self._show_traceback = show_traceback
        self._runs: list[Run] = []
        convex.on_run(self._runs.append)
        convex.calls.caller = "cli"

    def once(self, as_json: bool) -> bool:
        """Call the function and print the outcome. Whether it succeeded."""
        document = self.outcome()
        self.show(document, as_json)
        return bool(document["status"] == "success")

    def watch(self, as_json: bool) -> None:
        """Print the result, and print it again whenever a commit changes it, until Ctrl-C."""
        function = self._convex.registry.find(self._name)
        if function.kind != "query":
            raise WrongUsage(f"--watch is for queries, and {function.name} is not one", "Leave --watch out.")
        call = self._convex.calls.bind_json(self._name, self._values, self._identity)
        with self._convex.live.subscribe_to(call) as updates:
            while True:
                try:
                    document = {"status": "success", "value": updates.get(), "scheduled": []}
                except SubscriptionClosed:
                    return
                except Exception as error:
                    document = self.failed(error)
                self.show(document, as_json)

    def outcome(self) -> dict[str, Any]:
        """The outcome of the call, as --json prints it."""
        self._runs.clear()
        try:
            value = self._caller.call(self._name, self._values)
        except Exception as error:
            return self.failed(error)
        scheduled = [scheduled_document(each) for run in self._runs for each in run.scheduled]
        return {"status": "success", "value": value, "scheduled": scheduled}

    def failed(self, error: Exception) -> dict[str, Any]:
        """The outcome of a failed call. ``error`` is the text, with the line of the app's code that raised it."""
        from ..runtime.events import describe

        known = error if isinstance(error, ConvexError) else None
        message = known.message if known else f"{type(error).__name__}: {text_of(error)}"
        text = next((run.error for run in self._runs if run.error), message if known else describe(error))
        if self._show_traceback:
            text = "".join(traceback.format_exception(error)).rstrip()
        return {
            "status": "error",
            "errorMessage": message,
            "errorCode": known.code if known else None,
            "errorData": known.data if known else None,
            "error": text,
        }

    def show(self, document: dict[str, Any], as_json: bool) -> None:
        if as_json:
            show_json(document)
        elif document["status"] == "success":
            show_json(document["value"])
            for run in self._runs:
                for note in scheduled_notes(run.scheduled, run.started):
                    say(note, style="dim", to_stderr=True)
        else:
            text = "\n".join(error_lines(document["error"], Path.cwd()))
            say(f"error: {text}", style="red", to_stderr=True)


def parse_identity(text: str) -> Identity:
    """The user to call as.

    Raises:
        WrongUsage: It is not an object with a subject.
    """
    from ..runtime.identity import Identity

    example = '{"subject": "u1", "issuer": "https://login.example.com", "claims": {"role": "admin"}}'
    values = parse_object(text, "--identity", example)
    unknown = sorted(values.keys() - {"subject", "issuer", "claims"})
    if unknown:
        what = f"--identity: {unknown[0]!r} is not part of an identity"
        raise WrongUsage(what, f"Other values go into claims: {example}")
    if not isinstance(values.get("subject"), str) or not values["subject"]:
        raise WrongUsage('--identity: it needs a "subject", a string', f"Such as {example}")
    if not isinstance(values.get("issuer", ""), str | None) or not isinstance(values.get("claims", {}), dict):
        raise WrongUsage("--identity: the issuer is a string and the claims are an object", f"Such as {example}")
    return Identity(values["subject"], values.get("issuer"), values.get("claims", {}))
