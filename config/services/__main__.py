"""python -m config.services start|stop"""

import sys

from config.services import (
    ServiceUnavailable,
    ensure_postgres,
    ensure_redis,
    stop_postgres,
    stop_redis,
)


def main() -> None:
    match sys.argv[1:]:
        case ["start"]:
            ensure_postgres()
            ensure_redis()
        case ["stop"]:
            stop_redis()
            stop_postgres()
        case _:
            sys.exit(__doc__)


try:
    main()
except ServiceUnavailable as unavailable:
    sys.exit(str(unavailable))
