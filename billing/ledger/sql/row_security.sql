-- Members see the ledger of payers within reach: statements of account are made of it.

ALTER TABLE billing_ledgertransaction ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS within_reach ON billing_ledgertransaction;
CREATE POLICY within_reach ON billing_ledgertransaction FOR SELECT TO :"member_role"
    USING (payer_id IN (SELECT unnest(reach('money'))));
GRANT SELECT ON billing_ledgertransaction TO :"member_role";

ALTER TABLE billing_ledgerentry ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS within_reach ON billing_ledgerentry;
CREATE POLICY within_reach ON billing_ledgerentry FOR SELECT TO :"member_role"
    USING (EXISTS (SELECT FROM billing_ledgertransaction AS parent
                   WHERE parent.id = transaction_id));
GRANT SELECT ON billing_ledgerentry TO :"member_role";
