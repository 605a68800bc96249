"""SVG files whose text stays text and looks the same everywhere: the letters used are embedded."""

import base64
import html
import io
import re

import matplotlib
from fontTools import subset
from fontTools.ttLib import TTFont
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont

# What figures are written in: family, and the weights in CSS's numbers.
FAMILY = "DejaVu Sans"
WEIGHTS = {"normal": 400, "bold": 700}
_TEXT = re.compile(r"<text[^>]*>(.*?)</text>", re.DOTALL)
_TAG = re.compile(r"<[^>]*>")


def svg(figure: Figure) -> bytes:
    """``figure`` as SVG with its fonts. Call inside ``style.drawing()``."""
    content = io.BytesIO()
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        figure.savefig(content, format="svg", metadata={"Date": None, "Creator": None})
    text = content.getvalue().decode()
    letters = "".join(html.unescape(_TAG.sub("", found)) for found in _TEXT.findall(text))
    faces = "".join(_face(name, weight, letters) for name, weight in WEIGHTS.items())
    head, defs, rest = text.partition("<defs>")
    return f'{head}<defs>\n  <style type="text/css">{faces}</style>\n </defs>\n {defs}{rest}'.encode()


def _face(name: str, weight: int, letters: str) -> str:
    """A rule with the glyphs of ``letters``."""
    # Dates in the font are those of the font's own file, so that the same text gives the same bytes.
    font = TTFont(findfont(FontProperties(family=FAMILY, weight=name)), recalcTimestamp=False)
    options = subset.Options(flavor="woff", hinting=False, recalc_timestamp=False, notdef_outline=True)
    options.drop_tables += ["FFTM"]  # the time stamps of another program
    chosen = subset.Subsetter(options)
    chosen.populate(text=letters)
    chosen.subset(font)
    font.flavor = "woff"
    packed = io.BytesIO()
    font.save(packed)
    data = base64.b64encode(packed.getvalue()).decode()
    return (
        f"@font-face{{font-family:'{FAMILY}';font-weight:{weight};"
        f"src:url(data:font/woff;base64,{data}) format('woff');}}"
    )
