"""QR codes as SVG images, for apps that make sign-in codes."""

from io import BytesIO

MODULE_PIXELS = 5


def svg(text: str) -> bytes:
    """Return an SVG with the QR code of a text (ISO/IEC 18004), dark on light in every colour scheme."""
    import segno

    image = BytesIO()
    segno.make(text, error="m", micro=False).save(
        image, kind="svg", scale=MODULE_PIXELS, border=4, dark="#000", light="#fff", svgclass=None, lineclass=None
    )
    return image.getvalue()
