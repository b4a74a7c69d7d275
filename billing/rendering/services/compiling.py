"""Compile pages to PDF by Typst: the same pages give the same bytes."""

import io
import json
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Literal

import segno
import typst

FOLDER = Path(__file__).resolve().parents[1]
TEMPLATES, FONTS = FOLDER / "typst", FOLDER / "fonts"
STANDARD: Literal["a-3a"] = "a-3a"  # for archives, tagged for screen readers


class NotCompiled(Exception):
    """The template does not compile, or not with these pages."""


def compile_pdf(template: str, pages: dict[str, Any], *, at: datetime) -> bytes:
    """The pages as PDF/A-3a, dated `at`. Raises NotCompiled."""
    page = {**pages, "pay": _payment(pages["pay_url"])}
    try:
        pdf = _compiler(template).compile(
            format="pdf",
            sys_inputs={"data": json.dumps(page, ensure_ascii=False)},
            pdf_standards=[STANDARD],
            timestamp=int(at.timestamp()),
        )
    except (RuntimeError, typst.TypstError) as error:
        raise NotCompiled(str(error)) from error
    assert isinstance(pdf, bytes)
    return pdf


@cache
def _compiler(template: str) -> typst.Compiler:
    """A compiler that has read the fonts and the template; once a process."""
    return typst.Compiler(
        str(TEMPLATES / f"{template}.typ"),
        root=str(TEMPLATES),
        font_paths=[str(FONTS)],
        ignore_system_fonts=True,
    )


def _payment(url: str) -> dict[str, str] | None:
    """Where to pay, as a link and as a QR code; None without an address."""
    if not url:
        return None
    code = io.BytesIO()
    segno.make(url, error="m").save(code, kind="svg", xmldecl=False, border=0)
    text = url.partition("://")[2]
    return {"url": url, "qr": code.getvalue().decode(), "text": f"Pay online: {text}"}
