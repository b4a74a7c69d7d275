"""Files of switches, made and imported by the command."""

import json
from datetime import UTC, date, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import time_machine
from django.core.management import CommandError, call_command
from django.db.models import Sum

from billing.metering.models import UsageDay
from core.periods import next_month

FILES = Path(__file__).resolve().parents[1] / "fixtures" / "feeds"
NOW = datetime(2026, 12, 1, 3, tzinfo=UTC)
SECONDS_OF_A_MINUTE = 60


def usage(month: date) -> dict[str, Any]:
    """The seconds and minutes of each meter with usage in a month."""
    days = UsageDay.objects.filter(used_on__gte=month, used_on__lt=next_month(month))
    sums = days.values_list("meter__code").annotate(Sum("raw"), Sum("billable"))
    return {
        meter: (raw.normalize(), (billable / SECONDS_OF_A_MINUTE).normalize())
        for meter, raw, billable in sums
        if raw
    }


class Folder:
    """Files of one feed, written and imported by the command."""

    def __init__(self, path: Path, feed: str = "") -> None:
        self.path, self.feed, self.now = path, feed, NOW

    def take(self, content: str | bytes, **options: str) -> str:
        """Import a file; returns its exit code and what was printed."""
        file = self.path / "file"
        data = content if isinstance(content, bytes) else content.encode()
        file.write_bytes(data)
        out, err, code = StringIO(), StringIO(), 0
        try:
            with time_machine.travel(self.now, tick=False):
                call_command(
                    "import_usage", str(file), agency="SUNRISE", stdout=out, stderr=err,
                    **options,
                )  # fmt: skip
        except SystemExit as left:
            code = int(left.code or 0)
        except CommandError as error:
            return f"refused {error}"
        return f"{code} {out.getvalue()}{err.getvalue()}"


def cdr(
    seconds: int,
    *,
    disposition: str = "ANSWERED",
    answer: str = "2026-11-20 10:00:00",
    start: str = "2026-11-20 09:59:50",
    channel: str = "SIP/301-0000001a",
    other: str = "SIP/trunk-0000001b",
    dst: str = "15551234567",
    context: str = "from-internal",
    account: str = "",
    tail: str = ',"1795186700.1",""',
) -> str:
    return (
        f'"{account}","1","{dst}","{context}","x","{channel}","{other}","Dial","",'
        f'"{start}","{answer}","2026-11-20 10:05:00",{seconds + 10},{seconds},'
        f'"{disposition}","DOCUMENTATION"{tail}\n'
    )


NOVEMBER = date(2026, 11, 1)
HEADER = (
    "accountcode,src,dst,dcontext,clid,channel,dstchannel,lastapp,lastdata,start,answer,"
    "end,duration,billsec,disposition,amaflags,uniqueid,userfield\n"
)


def call_json(
    sid: str, *, parent: str | None = None, status: str = "completed",
    caller: str = "+12125550100", to: str = "+13105550100", direction: str = "outbound-api",
    seconds: int = 60, start: str = "Fri, 20 Nov 2026 15:00:00 +0000",
) -> str:  # fmt: skip
    return json.dumps({
        "sid": sid, "parent_call_sid": parent, "status": status, "from": caller, "to": to,
        "direction": direction, "start_time": start, "end_time": None,
        "duration": str(seconds), "answered_by": None,
    })  # fmt: skip


def verified() -> dict[str, Any]:
    out = StringIO()
    call_command("verify", "--json", stdout=out)
    return json.loads(out.getvalue())  # type: ignore[no-any-return]
