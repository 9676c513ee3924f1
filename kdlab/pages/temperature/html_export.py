"""The lab as one HTML file: alive in a browser without a kernel, a server or a network."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

from kdlab.pages.catalogue import TEMPERATURE
from kdlab.pages.temperature.data_server import DataServer
from kdlab.widgets.esm import SHARED, bundle, stylesheet

__all__ = ["HEAD", "STYLE", "to_html"]

FOLDER = Path(__file__).parent
STYLE = stylesheet(SHARED / "page_head.css", SHARED / "number_field.css", FOLDER / "temperature.css")
HEAD = {"title": TEMPERATURE.title, "lead": TEMPERATURE.lead}
MAX_PICTURE_BYTES = 3_000_000  # bytes of pictures, packed; the whole file is to stay under 8 MB

PAGE = Template("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>kdlab – Temperature lab</title>
<link rel="icon" href="data:,">
<style>
html { color-scheme: light dark; }
html, body { margin: 0; background: light-dark(#f7f8fa, #0f151c); }
main { max-width: 1440px; margin: 0 auto; }
$style
</style>
</head>
<body>
<main id="lab"></main>
$buffers
<script type="module">
const HELD = $held;
$module
standalone.open(document.getElementById("lab"), HELD);
</script>
</body>
</html>
""")


def to_html(data_server: DataServer, state: Mapping[str, Any]) -> str:
    """Return the whole file; `state`: the traits with which it opens."""
    responses = data_server.everything(MAX_PICTURE_BYTES)
    buffers = [
        f'<script type="text/plain" id="{question}:{index}">{base64.b64encode(buffer).decode()}</script>'
        for question, response in responses.items()
        for index, buffer in enumerate(response.buffers)
    ]
    held = {
        "traits": {**state, "sets": data_server.menu(), "head": HEAD},
        "answers": {
            question: {**response.fields, "count": len(response.buffers)} for question, response in responses.items()
        },
    }
    return PAGE.substitute(
        style=STYLE,
        buffers="\n".join(buffers),
        # "<" is escaped, or a class named "</script>" would end the script.
        held=json.dumps(held).replace("<", "\\u003c"),
        module=bundle(FOLDER / "standalone.js").replace("export default", "const standalone ="),
    )
