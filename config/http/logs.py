"""Log filters."""

import logging

SERVER_ERRORS = 500  # the lowest status of them


class OneLineForRefusals(logging.Filter):
    """Drops tracebacks of client errors; forged host headers would fill the disk."""

    def filter(self, record: logging.LogRecord) -> bool:
        status = getattr(record, "status_code", None)
        if record.name.startswith("django.security.") or (
            status and status < SERVER_ERRORS
        ):
            record.exc_info = record.exc_text = None
        return True
