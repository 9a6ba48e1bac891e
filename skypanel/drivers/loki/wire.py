"""Requests to Loki and its answers as values (https://grafana.com/docs/loki/latest/reference/loki-http-api/). Pure functions.

Few labels make streams: the app, the source, and the process type. The dyno and the level are structured metadata.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from skypanel.domain.errors import Unavailable
from skypanel.domain.ids import AppId
from skypanel.domain.log import LogLine, LogQuery, Source, process_type

# What Loki's defaults allow (limits_config).
MAX_ENTRIES = 5000
MAX_LINE_BYTES = 256 * 1024
MAX_RANGE = timedelta(days=30)
NS_IN_US = 1000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)


@dataclass(frozen=True, order=True)
class Entry:
    """A line, and its time in Loki: its own, and in the nanoseconds its number among the lines of that time."""

    ns: int
    text: str
    line: LogLine


def entry(ns: int, line: LogLine) -> Entry:
    """Return a line at a time."""
    return Entry(ns, str(line), line)


def nanoseconds(time: datetime) -> int:
    """Return a time as Loki has it."""
    return (time - _EPOCH) // _US * NS_IN_US


def moment(ns: int) -> datetime:
    """Return the time of an entry."""
    return _EPOCH + _US * (ns // NS_IN_US)


def push_body(lines: Mapping[AppId, Sequence[LogLine]]) -> bytes:
    """Return the body of a push."""
    streams: dict[tuple[tuple[str, str], ...], list[list[Any]]] = {}
    for app_id, of_app in lines.items():
        for each, ns in zip(of_app, _numbered(of_app), strict=True):
            metadata = {"dyno": each.process, **({"level": each.level.value} if each.level else {})}
            streams.setdefault(tuple(_labels(app_id, each).items()), []).append([str(ns), each.text, metadata])
    return json.dumps({"streams": [{"stream": dict(labels), "values": values} for labels, values in streams.items()]}).encode()


def _labels(app_id: AppId, line: LogLine) -> dict[str, str]:
    return {"app": str(app_id), "source": line.source.value, "type": process_type(line.process) or line.process}


def _numbered(lines: Iterable[LogLine]) -> Iterable[int]:
    """Yield the times of lines. Those of one microsecond are numbered: Loki has no order for them, and stores equal ones once."""
    counted: dict[datetime, int] = {}
    for each in lines:
        number = counted[each.time] = counted.get(each.time, -1) + 1
        yield nanoseconds(each.time) + min(number, NS_IN_US - 1)


def expression(app_id: AppId, query: LogQuery) -> str:
    """Return a query's conditions in LogQL (https://grafana.com/docs/loki/latest/query/log_queries/)."""
    sources = f", source=~{_any(source.value for source in query.sources)}" if query.sources else ""
    steps = [f'{{app="{app_id}"{sources}}}']
    steps += [f"|~ {_quoted(f'(?i){re.escape(word)}')}" for word in query.words]
    if query.pattern:
        steps.append(f"|~ {_quoted(query.pattern)}")
    if query.levels:
        steps.append(f"| level=~{_any(level.value for level in query.levels)}")
    if query.dyno is not None:
        steps.append(f"| dyno={_quoted(query.dyno)} or type={_quoted(query.dyno)}")
    return " ".join(steps)


def counting(app_id: AppId, query: LogQuery, step: timedelta) -> str:
    """Return a metric query that counts the lines of each step, by their level."""
    seconds = step // timedelta(seconds=1)
    return f"sum by (level) (count_over_time({expression(app_id, query)} [{seconds}s]))"


def counts(answer: object) -> list[tuple[str, datetime, int]]:
    """Return the level, the end and the number of each count in an answer to a metric query. Raises Unavailable if it is none."""
    try:
        return list(_counts(answer))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        raise Unavailable("Loki's answer is not one of Loki.", "Check loki_url.") from error


def _counts(answer: Any) -> Iterable[tuple[str, datetime, int]]:  # noqa: ANN401 - JSON from outside
    for series in answer["data"]["result"]:
        for seconds, number in series["values"]:
            yield str(series["metric"].get("level", "")), _EPOCH + timedelta(seconds=float(seconds)), int(number)


def _any(words: Iterable[str]) -> str:
    return _quoted("|".join(sorted(words)))


def _quoted(text: str) -> str:
    """Return a string literal of Go, which JSON's is one of, but for characters outside of the basic plane."""
    return json.dumps(text.encode(errors="replace").decode(), ensure_ascii=False)


def entries(answer: object) -> list[Entry]:
    """Return the entries of an answer to a query. Raises Unavailable if it is none."""
    try:
        return sorted(_entries(answer))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        raise Unavailable("Loki's answer is not one of Loki.", "Check loki_url.") from error


def _entries(answer: Any) -> Iterable[Entry]:  # noqa: ANN401 - JSON from outside
    for stream in answer["data"]["result"]:
        source = Source(stream["stream"].get("source", Source.APP))
        for ns, text, *extra in stream["values"]:
            found = {**stream["stream"], **(extra[0].get("structuredMetadata") or {} if extra else {})}
            process = str(found.get("dyno", ""))
            yield entry(int(ns), LogLine("" if process == source else process, moment(int(ns)), str(text), source))
