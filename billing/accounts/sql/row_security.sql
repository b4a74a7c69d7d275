-- What members see of who pays: the accounts of payers within reach, and the shares that
-- such payers have. Who else pays for an agency is not theirs to know.

ALTER TABLE billing_billingaccount ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS within_reach ON billing_billingaccount;
CREATE POLICY within_reach ON billing_billingaccount FOR SELECT TO :"member_role"
    USING (payer_id IN (SELECT unnest(reach('money'))));
GRANT SELECT ON billing_billingaccount TO :"member_role";

ALTER TABLE billing_accountstanding ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS within_reach ON billing_accountstanding;
CREATE POLICY within_reach ON billing_accountstanding FOR SELECT TO :"member_role"
    USING (agency_id IN (SELECT unnest(reach('agencies'))));
GRANT SELECT ON billing_accountstanding TO :"member_role";

ALTER TABLE billing_payershare ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS within_reach ON billing_payershare;
CREATE POLICY within_reach ON billing_payershare FOR SELECT TO :"member_role"
    USING (payer_id IN (SELECT unnest(reach('money'))));
GRANT SELECT ON billing_payershare TO :"member_role";

ALTER TABLE billing_payershareset ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS within_reach ON billing_payershareset;
CREATE POLICY within_reach ON billing_payershareset FOR SELECT TO :"member_role"
    USING (agency_id IN (SELECT unnest(reach('money')))
           OR EXISTS (SELECT FROM billing_payershare AS share
                      WHERE share.share_set_id = billing_payershareset.id));
GRANT SELECT ON billing_payershareset TO :"member_role";

ALTER TABLE billing_watermark ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS within_reach ON billing_watermark;
CREATE POLICY within_reach ON billing_watermark FOR SELECT TO :"member_role"
    USING (payer_id IN (SELECT unnest(reach('money'))));
GRANT SELECT ON billing_watermark TO :"member_role";
