-- Agencies, their zones and their uplines.

SELECT audit_table('seats_agency', 'id', 'id', '', '{name,code}');
SELECT audit_table('seats_agencyzone', 'id', 'agency_id', '', '{zone}', '{}', '{recorded_at}');
SELECT audit_table('seats_upline', 'id', 'agency_id', '', '{upline_id}');
