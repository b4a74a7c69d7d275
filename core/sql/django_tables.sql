-- Django creates these tables before the default privileges are in force.

GRANT SELECT, INSERT, UPDATE, DELETE
    ON auth_group, auth_group_permissions, auth_permission, django_content_type,
       django_migrations
    TO :"app_role";
GRANT USAGE, SELECT
    ON SEQUENCE auth_group_id_seq, auth_group_permissions_id_seq, auth_permission_id_seq,
       django_content_type_id_seq, django_migrations_id_seq
    TO :"app_role";

-- Who did what in the admin, and why: appended, and never changed.
REVOKE ALL ON django_admin_log FROM :"app_role";
GRANT SELECT, INSERT ON django_admin_log TO :"app_role";
