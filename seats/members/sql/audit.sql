-- Users, their jobs and rights, their second factors, members and invitations.
--
-- A log-in is no change.

SELECT audit_table('seats_user', 'id', '', '', '{email}', '{password}', '{last_login}');
SELECT audit_table('seats_user_groups', 'id', '', '', '{user_id,group_id}');
SELECT audit_table('seats_user_user_permissions', 'id', '', '', '{user_id,permission_id}');
SELECT audit_table('mfa_authenticator', 'id', '', '', '{user_id,type}', '{data}',
                   '{last_used_at}');
SELECT audit_table('seats_member', 'id', 'agency_id', '', '{user_id}');
SELECT audit_table('seats_invitation', 'id', 'agency_id', '', '{email}', '{digest}');
