"""Table of contents of the admin, for Django."""
