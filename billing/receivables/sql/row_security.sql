-- Members see what payers within reach paid, and what became of it.

ALTER TABLE billing_payment ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS within_reach ON billing_payment;
CREATE POLICY within_reach ON billing_payment FOR SELECT TO :"member_role"
    USING (payer_id IN (SELECT unnest(reach('money'))));
GRANT SELECT ON billing_payment TO :"member_role";

ALTER TABLE billing_refund ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS within_reach ON billing_refund;
CREATE POLICY within_reach ON billing_refund FOR SELECT TO :"member_role"
    USING (EXISTS (SELECT FROM billing_payment AS parent
                   WHERE parent.id = payment_id));
GRANT SELECT ON billing_refund TO :"member_role";

ALTER TABLE billing_allocation ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS within_reach ON billing_allocation;
CREATE POLICY within_reach ON billing_allocation FOR SELECT TO :"member_role"
    USING (EXISTS (SELECT FROM billing_document AS parent
                   WHERE parent.id = document_id));
GRANT SELECT ON billing_allocation TO :"member_role";
