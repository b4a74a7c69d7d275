-- Members see the endpoints that their agency set up for itself, and what was delivered
-- to them; never an endpoint's secret.

ALTER TABLE billing_webhookendpoint ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS within_reach ON billing_webhookendpoint;
CREATE POLICY within_reach ON billing_webhookendpoint FOR SELECT TO :"member_role"
    USING (agency_id IN (SELECT unnest(reach('integrations')))
           AND (owner_id IS NULL
                OR owner_id IN (SELECT unnest(reach('integrations')))));
REVOKE ALL ON billing_webhookendpoint FROM :"member_role";
GRANT SELECT (id, public_id, agency_id, owner_id, url, description, event_types, state,
              reason, failing_since, quiet_until, previous_until, created_by, created_at,
              deleted_at)
    ON billing_webhookendpoint TO :"member_role";

ALTER TABLE billing_delivery ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS within_reach ON billing_delivery;
CREATE POLICY within_reach ON billing_delivery FOR SELECT TO :"member_role"
    USING (EXISTS (SELECT FROM billing_webhookendpoint AS parent
                   WHERE parent.id = endpoint_id));
GRANT SELECT ON billing_delivery TO :"member_role";

ALTER TABLE billing_deliveryattempt ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS within_reach ON billing_deliveryattempt;
CREATE POLICY within_reach ON billing_deliveryattempt FOR SELECT TO :"member_role"
    USING (EXISTS (SELECT FROM billing_delivery AS parent
                   WHERE parent.id = delivery_id));
GRANT SELECT ON billing_deliveryattempt TO :"member_role";

ALTER TABLE billing_outboxevent ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS within_reach ON billing_outboxevent;
CREATE POLICY within_reach ON billing_outboxevent FOR SELECT TO :"member_role"
    USING (EXISTS (SELECT FROM billing_delivery AS delivery
                   WHERE delivery.event_id = billing_outboxevent.id));
GRANT SELECT ON billing_outboxevent TO :"member_role";
