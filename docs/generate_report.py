"""Write the sample report that the user guide links to."""

import runpy
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

EXAMPLE = Path(__file__).parents[1] / "examples" / "plot_report.py"


def write_sample(folder):
    """Write the report of the gallery's example into a folder of files to be copied."""
    folder.mkdir(exist_ok=True)
    with redirect_stdout(StringIO()):
        names = runpy.run_path(str(EXAMPLE))
    names["report"].write_html(folder / "sample_report.html")
