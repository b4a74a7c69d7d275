-- Members see how payers within reach are charged. The methods that an agency pays with
-- are its own affair.

ALTER TABLE billing_paymentmethod ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS within_reach ON billing_paymentmethod;
CREATE POLICY within_reach ON billing_paymentmethod FOR SELECT TO :"member_role"
    USING (payer_id IN (SELECT unnest(reach('methods'))));
GRANT SELECT ON billing_paymentmethod TO :"member_role";

ALTER TABLE billing_paymentattempt ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS within_reach ON billing_paymentattempt;
CREATE POLICY within_reach ON billing_paymentattempt FOR SELECT TO :"member_role"
    USING (EXISTS (SELECT FROM billing_document AS parent
                   WHERE parent.id = invoice_id));
GRANT SELECT ON billing_paymentattempt TO :"member_role";

ALTER TABLE billing_attemptchange ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS within_reach ON billing_attemptchange;
CREATE POLICY within_reach ON billing_attemptchange FOR SELECT TO :"member_role"
    USING (EXISTS (SELECT FROM billing_paymentattempt AS parent
                   WHERE parent.id = attempt_id));
GRANT SELECT ON billing_attemptchange TO :"member_role";

ALTER TABLE billing_checkoutpage ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS within_reach ON billing_checkoutpage;
CREATE POLICY within_reach ON billing_checkoutpage FOR SELECT TO :"member_role"
    USING (payer_id IN (SELECT unnest(reach('money')))
           AND (owner_id IS NULL
                OR owner_id IN (SELECT unnest(reach('money')))));
GRANT SELECT ON billing_checkoutpage TO :"member_role";

ALTER TABLE billing_dispute ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS within_reach ON billing_dispute;
CREATE POLICY within_reach ON billing_dispute FOR SELECT TO :"member_role"
    USING (EXISTS (SELECT FROM billing_payment AS parent
                   WHERE parent.id = payment_id));
GRANT SELECT ON billing_dispute TO :"member_role";

ALTER TABLE billing_disputechange ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS within_reach ON billing_disputechange;
CREATE POLICY within_reach ON billing_disputechange FOR SELECT TO :"member_role"
    USING (EXISTS (SELECT FROM billing_dispute AS parent
                   WHERE parent.id = dispute_id));
GRANT SELECT ON billing_disputechange TO :"member_role";

ALTER TABLE billing_refundattempt ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS within_reach ON billing_refundattempt;
CREATE POLICY within_reach ON billing_refundattempt FOR SELECT TO :"member_role"
    USING (EXISTS (SELECT FROM billing_payment AS parent
                   WHERE parent.id = payment_id));
GRANT SELECT ON billing_refundattempt TO :"member_role";

ALTER TABLE billing_refundattemptchange ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS within_reach ON billing_refundattemptchange;
CREATE POLICY within_reach ON billing_refundattemptchange FOR SELECT TO :"member_role"
    USING (EXISTS (SELECT FROM billing_refundattempt AS parent
                   WHERE parent.id = attempt_id));
GRANT SELECT ON billing_refundattemptchange TO :"member_role";
