"""What files say about their pictures: EXIF, IPTC, XMP, the text of PNG, and the parameters of image generators."""

from stylesearch.metadata.reading import read_metadata, read_sidecar
from stylesearch.metadata.xmp import xmp_sidecar

__all__ = ["read_metadata", "read_sidecar", "xmp_sidecar"]
