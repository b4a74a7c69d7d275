-- API keys, without their digests; when a key was last used is no change.

SELECT audit_table('seats_apikey', 'id', 'agency_id', '', '{prefix,label}', '{digest}',
                   '{last_used_at}');
