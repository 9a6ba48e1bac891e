"""Where the programs are that are installed with the panel."""

import sysconfig
from pathlib import Path

PROGRAMS = Path(sysconfig.get_path("scripts"))
