"""What the log says of requests that were refused."""

import logging

OURS = 500


class OneLineForRefusals(logging.Filter):
    """Drops the traceback of what a client sent; forged hosts would fill the disk."""

    def filter(self, record: logging.LogRecord) -> bool:
        status = getattr(record, "status_code", None)
        if record.name.startswith("django.security.") or (status and status < OURS):
            record.exc_info = record.exc_text = None
        return True
