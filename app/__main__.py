"""`python -m app`: serve until told to stop; exit 0 after draining, 1 when it cannot start."""

from __future__ import annotations

import os
import sys

from app import log, server, settings


def main() -> int:
    try:
        server.serve(settings.read(os.environ))
    except (ValueError, OSError) as error:
        log.line("failed", error=str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
