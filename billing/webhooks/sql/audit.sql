-- Webhook endpoints, without their secrets; how deliveries fare is no change.

SELECT audit_table('billing_webhookendpoint', 'id', 'agency_id', 'owner_id', '{url}',
                   '{sealed_secret,sealed_previous}', '{failing_since,quiet_until}');
