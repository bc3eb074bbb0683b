"""A compliance report as PDF, drawn by ReportLab with the fonts that come with it. The same report is the same bytes.

Those fonts have the letters of Western languages; any other character is written as its number (\\u4e2d), never left out.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any
from xml.sax.saxutils import escape

from django.utils.translation import gettext as _
from reportlab.graphics.charts.barcharts import VerticalBarChart
from reportlab.graphics.shapes import Drawing, Rect, String
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import Flowable, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

from audit.compliance import charts
from audit.compliance.report import Report
from audit.compliance.results import EXCEPTED, FAILED, PASSED, STATUSES, UNKNOWN
from console import moments

_FONT, _BOLD = "Vera", "VeraBd"
_WIDTH = A4[0] - 36 * mm
_COLORS = {
    PASSED: colors.HexColor("#2f6f4f"),
    EXCEPTED: colors.HexColor("#6b7280"),
    UNKNOWN: colors.HexColor("#a86200"),
    FAILED: colors.HexColor("#b42318"),
}
_LINE, _HEAD = colors.HexColor("#d0d5dd"), colors.HexColor("#eef1f5")
_LABELS = 8


@cache
def _styles() -> dict[str, ParagraphStyle]:
    pdfmetrics.registerFont(TTFont(_FONT, "Vera.ttf"))
    pdfmetrics.registerFont(TTFont(_BOLD, "VeraBd.ttf"))
    body = ParagraphStyle("body", fontName=_FONT, fontSize=8.5, leading=12, splitLongWords=1, wordWrap="LTR")
    return {
        "body": body,
        "small": ParagraphStyle("small", body, fontSize=7, leading=9.5),
        "head": ParagraphStyle("head", body, fontName=_BOLD, fontSize=7, leading=9.5),
        "title": ParagraphStyle("title", body, fontName=_BOLD, fontSize=17, leading=22, spaceAfter=4 * mm),
        "h2": ParagraphStyle(
            "h2", body, fontName=_BOLD, fontSize=12, leading=16, spaceBefore=6 * mm, spaceAfter=2 * mm, keepWithNext=1
        ),
        "h3": ParagraphStyle("h3", body, fontName=_BOLD, spaceBefore=3 * mm, spaceAfter=1 * mm, keepWithNext=1),
    }


def of(report: Report) -> bytes:
    out = io.BytesIO()
    title = _("Compliance report")
    document = SimpleDocTemplate(
        out,
        pagesize=A4,
        leftMargin=18 * mm,
        rightMargin=18 * mm,
        topMargin=16 * mm,
        bottomMargin=18 * mm,
        title=f"{title} {report.account_id} {moments.day(report.moment)}",
        author="kmsconsole",
        invariant=1,
    )
    document.build(list(_story(report, title)), onFirstPage=_foot(report), onLaterPages=_foot(report))
    return out.getvalue()


def _foot(report: Report) -> Any:
    left = written(f"{report.account_id} · {report.region} · {moments.to_second(report.moment)}")

    def draw(canvas: Any, document: Any) -> None:
        canvas.saveState()
        canvas.setFont(_FONT, 7)
        canvas.setFillColor(colors.HexColor("#475467"))
        canvas.drawString(18 * mm, 10 * mm, left)
        canvas.drawRightString(A4[0] - 18 * mm, 10 * mm, str(document.page))
        canvas.restoreState()

    return draw


@cache
def _glyphs() -> frozenset[int]:
    _styles()
    font: Any = pdfmetrics.getFont(_FONT)
    return frozenset(font.face.charToGlyph)


def written(text: object) -> str:
    """The text with a number in place of what the font has no letter for."""
    return "".join(
        each if ord(each) in _glyphs() or each == "\n" else f"\\u{ord(each):04x}" for each in str(text) if each != "\r"
    )


def _paragraph(text: object, style: str = "small") -> Paragraph:
    return Paragraph(escape(written(text)).replace("\n", "<br/>"), _styles()[style])


def _story(report: Report, title: str) -> Iterable[Flowable]:
    yield _paragraph(title, "title")
    yield _table(_facts(report), (0.3, 0.7), head=False)
    yield _paragraph(_("Checks by status"), "h2")
    yield _table([[words for _name, words, _number in report.numbers], [number for *_words, number in report.numbers]], (0.2,) * 5)  # fmt: skip
    yield _paragraph(_("Over time"), "h2")
    yield _over_time(report)
    yield _paragraph(_("Key states"), "h2")
    if report.states:
        yield _states(report)
        yield _table([[_("Status"), _("Keys")], *report.states], (0.5, 0.5))
    else:
        yield _paragraph(_("The record tells of no key up to then."), "body")
    yield _paragraph(_("Checks"), "h2")
    yield _checks(report)
    yield from _evidence(report)
    yield _paragraph(_("Exceptions in force"), "h2")
    yield _exceptions(report)


def _facts(report: Report) -> list[list[Any]]:
    rows: list[list[Any]] = [
        [_("As of"), moments.in_full(report.moment)],
        [_("Account"), report.account_id],
        [_("Region"), report.region],
        [_("Endpoint"), report.endpoint or _("Embedded")],
        [_("Run of the checks"), moments.in_full(report.run.time)],
        [_("Made by"), report.run.made_by],
        [_("Customer managed keys"), report.run.keys],
    ]
    if report.begins:
        rows.append([_("The record begins"), moments.in_full(report.begins)])
    return rows


def _table(rows: Sequence[Sequence[Any]], shares: Sequence[float], *, head: bool = True) -> Table:
    cells = [
        [
            each if isinstance(each, Flowable) else _paragraph(each, "head" if head and not number else "small")
            for each in row
        ]
        for number, row in enumerate(rows)
    ]
    style: list[tuple[Any, ...]] = [
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LINEBELOW", (0, 0), (-1, -1), 0.4, _LINE),
        ("LEFTPADDING", (0, 0), (-1, -1), 4),
        ("RIGHTPADDING", (0, 0), (-1, -1), 4),
    ]
    if head:
        style.append(("BACKGROUND", (0, 0), (-1, 0), _HEAD))
    return Table(
        cells, colWidths=[share * _WIDTH for share in shares], style=TableStyle(style), repeatRows=int(head), hAlign="LEFT"
    )  # fmt: skip


def _status(status: str) -> Paragraph:
    color = _COLORS.get(status, colors.black)
    return Paragraph(f'<font color="{color.hexval().replace("0x", "#")}">{escape(str(STATUSES[status]))}</font>', _styles()["head"])  # fmt: skip


def _checks(report: Report) -> Table:
    head = [_("Check"), _("Status"), _("Failing / looked at"), _("Severity"), _("References")]
    rows = [
        [each.title, _status(each.status), f"{each.failing} / {each.examined}", each.severity_words, ", ".join(each.references) or "–"]
        for each in report.results
    ]  # fmt: skip
    return _table([head, *rows], (0.36, 0.15, 0.12, 0.1, 0.27))


def _evidence(report: Report) -> Iterable[Flowable]:
    yield _paragraph(_("Evidence"), "h2")
    for result, findings in report.evidence:
        yield _paragraph(f"{result.title}: {result.status_words}", "h3")
        for reason in result.unknown:
            yield _paragraph(reason)
        if findings:
            excepted = {each.resource for each in report.exceptions if each.check_id == result.check_id}
            rows = [
                [f"{each.label}\n{each.resource}", each.fact, STATUSES[EXCEPTED] if each.resource in excepted else ""]
                for each in findings
            ]
            yield _table([[_("Resource"), _("Fact"), _("Exception")], *rows], (0.5, 0.36, 0.14))
        if result.failing > len(findings):
            yield _paragraph(f"{len(findings)} / {result.failing}")
    yield Spacer(1, 2 * mm)


def _exceptions(report: Report) -> Flowable:
    if not report.exceptions:
        return _paragraph(_("None."), "body")
    head = [_("Resource"), _("Reason"), _("Owner"), _("Made"), _("Expires")]
    rows = [
        [f"{each.label}\n{each.check_id}", each.reason, each.owner, f"{moments.day(each.made)}\n{each.made_by}", moments.day(each.expires)]
        for each in report.exceptions
    ]  # fmt: skip
    return _table([head, *rows], (0.25, 0.3, 0.15, 0.18, 0.12))


def _over_time(report: Report) -> Drawing:
    """One column a day with a run, stacked as on the page, with a legend."""
    drawing = Drawing(_WIDTH, 150)
    stack = [status for status, _kind in charts.STACK]
    shown = report.history
    chart = _bars(drawing, [[each.numbers[status] for each in shown] for status in stack])
    every = max(1, -(-len(shown) // _LABELS))
    chart.categoryAxis.categoryNames = [
        moments.day(each.run.time)[5:] if place % every == 0 else "" for place, each in enumerate(shown)
    ]
    chart.categoryAxis.style = "stacked"
    for place, status in enumerate(stack):
        chart.bars[place].fillColor = _COLORS[status]
    x = 28
    for status in stack:
        words = written(STATUSES[status])
        drawing.add(Rect(x, 138, 7, 7, fillColor=_COLORS[status], strokeColor=None))
        drawing.add(String(x + 10, 138.5, words, fontName=_FONT, fontSize=7))
        x += 22 + pdfmetrics.stringWidth(words, _FONT, 7)
    return drawing


def _states(report: Report) -> Drawing:
    drawing = Drawing(_WIDTH, 130)
    chart = _bars(drawing, [[number for _state, number in report.states]])
    chart.categoryAxis.categoryNames = [written(state) for state, _number in report.states]
    chart.bars[0].fillColor = colors.HexColor("#3b5bdb")
    return drawing


def _bars(drawing: Drawing, data: Sequence[Sequence[int]]) -> Any:
    chart: Any = VerticalBarChart()
    chart.x, chart.y, chart.width, chart.height = 28, 20, _WIDTH - 36, 108
    chart.data = [tuple(each) for each in data]
    chart.valueAxis.valueMin = 0
    highest = max((sum(column) for column in zip(*data, strict=True)), default=1)
    chart.valueAxis.valueStep = max(1, -(-highest // 5))
    for axis in (chart.valueAxis, chart.categoryAxis):
        axis.labels.fontName, axis.labels.fontSize = _FONT, 7
        axis.strokeColor = _LINE
    chart.bars.strokeColor = None
    chart.barWidth, chart.groupSpacing = 10, 6
    drawing.add(chart)
    return chart
