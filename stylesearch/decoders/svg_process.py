"""The process that draws an SVG: text on standard input, PNG on standard output. Imports nothing of the project.

    python -I svg_process.py SIDE SECONDS

Exit code 1 and a line on standard error where it cannot; killed by a signal where it exceeds its limits.
"""

from __future__ import annotations

import io
import sys
import xml.sax
from collections.abc import Callable
from xml.sax.handler import ContentHandler, feature_external_ges, feature_namespaces
from xml.sax.saxutils import XMLGenerator
from xml.sax.xmlreader import AttributesImpl

import resvg_py

MEMORY = 2 * 2**30  # bytes of address space, with the fonts of the system
MAX_DEPTH = 256  # of nested elements: resvg walks them by recursion


class _Inside(XMLGenerator):
    """Writes the document again without any reference to what lies outside of it, and without its document type.

    resvg opens whatever path an image, or the image of a filter, names; only data in the file itself is left to it.
    Entities have been expanded by the parser, which bounds them, so none can hide a reference.
    """

    def __init__(self, out: io.BytesIO) -> None:
        super().__init__(out, "utf-8")
        self._depth = 0

    def startElement(self, name: str, attrs: AttributesImpl) -> None:  # noqa: N802 - SAX's name
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ValueError(f"elements are nested more than {MAX_DEPTH:,} deep")
        kept = {
            key: value
            for key, value in attrs.items()
            if key.rpartition(":")[2] != "href" or value.lstrip().startswith(("#", "data:"))
        }
        super().startElement(name, AttributesImpl(kept))

    def endElement(self, name: str) -> None:  # noqa: N802 - SAX's name
        self._depth -= 1
        super().endElement(name)

    def processingInstruction(self, target: str, data: str) -> None:  # noqa: N802 - SAX's name
        """Left out: a style sheet, or nothing that shows."""


def _without_references(text: bytes) -> str:
    out = io.BytesIO()
    parser = xml.sax.make_parser()  # noqa: S317 - expat >= 2.4.1 bounds entities; external ones are off
    parser.setFeature(feature_external_ges, False)
    parser.setFeature(feature_namespaces, False)
    handler: ContentHandler = _Inside(out)
    parser.setContentHandler(handler)
    parser.parse(io.BytesIO(text))
    return out.getvalue().decode()


def _limit(seconds: int) -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    for kind, limit in ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_CPU, seconds)):
        _, hard = resource.getrlimit(kind)
        if hard != resource.RLIM_INFINITY:
            limit = min(limit, hard)
        try:
            resource.setrlimit(kind, (limit, hard))
        except ValueError:  # macOS does not limit address space
            continue


def main() -> int:
    side, seconds = int(sys.argv[1]), int(sys.argv[2])
    _limit(seconds)
    draw: Callable[..., bytes] = resvg_py.svg_to_bytes
    try:
        text = _without_references(sys.stdin.buffer.read())
        sys.stdout.buffer.write(draw(svg_string=text, width=side, height=side, dpi=96.0))
    except MemoryError:
        print("out of memory", file=sys.stderr)  # noqa: T201
        return 1
    except (ValueError, xml.sax.SAXException) as exc:
        print(" ".join(str(exc).split()), file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
