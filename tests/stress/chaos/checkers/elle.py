"""The serializability checker: lists that are only appended to betray the order of the transactions that wrote them.

The final state of a list is the order of its writers, and a read shows where its reader stood among them. Together with
which ended before which began, that gives a graph; a cycle in it is an order that no serial execution has.
"""

from __future__ import annotations

from collections.abc import Iterator

from .cycles import anomalies
from .dependencies import Dependencies
from .history import History
from .verdict import Verdict, Violation
from .versions import Read, Versions


def judge(history: History) -> Verdict:
    """Everything that cannot have happened had these transactions run one after another."""
    versions = Versions(history)
    verdict = Verdict()
    reads: list[Read] = []
    for found in versions.reads():
        if isinstance(found, Violation):
            verdict.violations.append(found)
        else:
            wrong = list(check_read(versions, found))
            verdict.violations += wrong
            # A read that fits no version has no position in the order.
            reads += [] if any(each.name != "G1b" for each in wrong) else [found]
    verdict.violations += check_final(versions)
    verdict.violations += check_appends(versions)
    dependencies = Dependencies(versions, reads)
    verdict.violations += anomalies(dependencies, versions)
    unknown = [number for number in versions.committed if versions.transactions[number].type == "info"]
    verdict.looked_at.update(
        {
            "transactions": len(history.transactions),
            "committed": len(versions.committed),
            "unknown and seen": len(unknown),
            "reads": len(reads),
            "edges": dependencies.count,
            "lists": len(history.final),
        }
    )
    if history.unreadable:
        verdict.notes.append(f"{history.unreadable} lines were written only in part and were left out")
    return verdict


def check_read(versions: Versions, read: Read) -> Iterator[Violation]:
    """A read is a beginning of the final list, and does not end inside another transaction."""
    reader = versions.name(read.reader)
    final = versions.final.get(read.key, [])
    if read.values != final[: len(read.values)]:
        for value in read.values:
            yield from check_value(versions, read.key, value, f"the transaction {reader}", (reader,))
        text = f"the transaction {reader} read {shown(read.values)} from {read.key}, which ended as {shown(final)}"
        yield Violation("incompatible-order", text, (reader,))
    if read.values and versions.writer.get((read.key, read.values[-1])) == read.reader:
        text = f"the transaction {reader} read {read.values[-1]!r} from {read.key} before it appended that itself"
        yield Violation("internal", text, (reader,))
    if versions.is_intermediate(read.reader, read.key, read.values):
        writer = versions.name(versions.writer[read.key, read.values[-1]])
        text = f"the transaction {reader} read {read.key} up to {read.values[-1]!r}, in the middle of {writer}"
        yield Violation("G1b", text, (reader, writer))


def check_final(versions: Versions) -> Iterator[Violation]:
    """No list ends with a value twice, from nowhere, or from a transaction that failed."""
    for key, values in versions.final.items():
        for value in values:
            yield from check_value(versions, key, value, "the final read", ())
        if len(versions.present[key]) < len(values):
            twice = sorted({str(value) for value in values if values.count(value) > 1})
            writers = {versions.writer.get((key, value)) for value in values if values.count(value) > 1}
            about = tuple(versions.name(writer) for writer in writers if writer is not None)
            yield Violation("duplicate-effect", f"{key} ended with {', '.join(twice)} more than once", about)
        turned = versions.turned_round(key)
        if turned is not None:
            name = versions.name(turned)
            yield Violation("incompatible-order", f"{key} has what {name} appended in another order", (name,))
        if versions.is_intermediate(None, key, values):
            writer = versions.name(versions.writer[key, values[-1]])
            yield Violation("G1b", f"{key} ended with {values[-1]!r}, in the middle of {writer}", (writer,))


def check_value(
    versions: Versions, key: str, value: object, observer: str, reader: tuple[str, ...]
) -> Iterator[Violation]:
    writer = versions.writer.get((key, value))
    if writer is None:
        yield Violation("garbage-read", f"{observer} saw {value!r} in {key}, which no transaction appended", reader)
    elif versions.transactions[writer].type == "fail":
        name = versions.name(writer)
        yield Violation(
            "G1a", f"{observer} saw {value!r} in {key} of the transaction {name}, which failed", (*reader, name)
        )


def check_appends(versions: Versions) -> Iterator[Violation]:
    """What was acknowledged is there, and of every transaction all or nothing."""
    for key, value in versions.repeated:
        yield Violation("bad-history", f"{value!r} was appended to {key} by two transactions; values must be unique")
    for number, transaction in enumerate(versions.transactions):
        appended = [(key, value) for what, key, value in transaction.ops if what == "a"]
        gone = [(key, value) for key, value in appended if value not in versions.present.get(key, ())]
        missing = ", ".join(f"{value!r} in {key}" for key, value in gone)
        if gone and len(gone) < len(appended):
            text = f"of the transaction {transaction.id} there is no {missing}, but the rest is there"
            yield Violation("torn-transaction", text, (transaction.id,))
        elif gone and number in versions.committed:
            text = f"the transaction {transaction.id} committed, and there is no {missing}"
            yield Violation("lost-effect", text, (transaction.id,))


def shown(values: list[object]) -> str:
    return str(values) if len(values) <= 12 else f"[… {len(values) - 12} more, {str(values[-12:])[1:]}"
