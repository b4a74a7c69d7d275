-- What the application's role may do with a table that no other file restricts.
--
-- Migrations run as the owner. The application reads and writes rows, and can neither
-- TRUNCATE nor change a table. Loaded before the tables are created.

ALTER DEFAULT PRIVILEGES IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO :"app_role";
ALTER DEFAULT PRIVILEGES IN SCHEMA public
    GRANT USAGE, SELECT ON SEQUENCES TO :"app_role";
