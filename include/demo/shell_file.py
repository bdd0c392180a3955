"""Write the file that a shell sources to use the demo."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

#: ``env`` and ``sed`` as POSIX has them, and no array: bash and zsh, on Linux and macOS, read it alike.
_TEMPLATE = """\
# Written by `make demo`. In bash or zsh, `source` it: commands then reach the demo on this machine, and no AWS account.
for _demo_name in $(env | sed -nE 's/^((AIRFLOW|AWS)_[A-Za-z0-9_]*)=.*/\\1/p'); do unset "$_demo_name"; done
unset _demo_name
{exports}
export PATH={programs}:"$PATH"
[ -e {running} ] || echo 'The demo is not running: `make demo` starts it.' >&2
"""


def shell_file(variables: Mapping[str, str], running: Path) -> str:
    """Return the file's text: ``variables`` replace the shell's own settings of Airflow and AWS.

    Sourced while the file ``running`` does not exist, it prints that the demo is not running.
    """
    return _TEMPLATE.format(
        exports="\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables.items()),
        programs=shlex.quote(str(Path(sys.executable).parent)),
        running=shlex.quote(str(running)),
    )
