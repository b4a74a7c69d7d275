#!/usr/bin/env python
"""Command line of the billing service."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.db import InterfaceError, OperationalError, ProgrammingError
from psycopg.errors import UndefinedTable

from config.http.outages import is_outage
from config.services import ServiceUnavailable
from core.audit import name_process


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    name_process(f"command {' '.join(sys.argv[1:2])}")
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"The settings are wrong: {error}")
    except ServiceUnavailable as unavailable:
        sys.exit(str(unavailable))
    except ProgrammingError as error:
        if isinstance(error.__cause__, UndefinedTable):
            sys.exit("The tables are missing: run `make setup` first. (config.E008)")
        raise
    except (OperationalError, InterfaceError) as error:
        if is_outage(error):
            first = str(error).strip().partition("\n")[0]
            sys.exit(f"The database cannot be reached: {first} (config.E007)")
        raise


if __name__ == "__main__":
    main()
