"""PostgreSQL, started on the first connection where it is the embedded one."""
