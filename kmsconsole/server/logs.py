"""Log lines as JSON objects, one a line, for whoever collects them. What a caller sent never gets in but its address."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

import orjson

# What a log call may add with `extra`.
_EXTRA = ("request_id", "service", "operation", "outcome", "milliseconds", "source_ip", "status_code")


class JsonFormatter(logging.Formatter):
    """`time` (UTC, milliseconds), `level`, `logger`, `message`, `process`; `request_id` and the rest where they are known."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "process": record.process,
        }
        for name in _EXTRA:
            value = getattr(record, name, None)
            if value is not None:
                line[name] = value
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()
