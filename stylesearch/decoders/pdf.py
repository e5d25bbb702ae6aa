"""Pages of PDF files, by PDFium (pypdfium2)."""

from __future__ import annotations

import threading

import pypdfium2
import pypdfium2.raw

from stylesearch.decoders import MAX_PAGES, VECTOR_SIDE, Raster, Request
from stylesearch.errors import ImageError

_TAIL = 2048  # bytes; the marker %%EOF lies within the last 1024 (PDF 1.7 reference, appendix H, note 18), and a little

# PDFium is not thread-safe, and the page of a search may have two of them ask at once.
_pdfium = threading.Lock()


def decode(data: bytes, request: Request) -> Raster:
    """Draws one page on white, `VECTOR_SIDE` pixels along its longest side; scripts and forms are left alone."""
    with _pdfium, _open(data) as document:
        if request.page >= len(document):
            if request.part:
                raise request.no_such_part()
            raise ImageError("damaged", "The PDF file has no pages.")
        page = document[request.page]
        width, height = page.get_size()
        if not (width > 0 and height > 0):
            raise ImageError("damaged", f"The page has no size ({width:g} x {height:g} points).")
        bitmap = page.render(scale=VECTOR_SIDE / max(width, height), may_draw_forms=False)
        image = bitmap.to_pil().copy()  # it lies in the bitmap's memory
        bitmap.close()
        page.close()
    return Raster(image, image.size)


def parts(data: bytes, request: Request) -> list[str]:
    """The pages beyond the first."""
    with _pdfium, _open(data) as document:
        return [f"page={number}" for number in range(2, min(len(document), MAX_PAGES) + 1)]


def ends_early(data: bytes) -> bool:
    """Whether the marker of the end is missing."""
    return b"%%EOF" not in data[-_TAIL:]


def _open(data: bytes) -> pypdfium2.PdfDocument:
    try:
        return pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as exc:
        if getattr(exc, "err_code", None) in (pypdfium2.raw.FPDF_ERR_PASSWORD, pypdfium2.raw.FPDF_ERR_SECURITY):
            raise ImageError("unsupported", "The PDF file is locked by a password.") from exc
        raise
