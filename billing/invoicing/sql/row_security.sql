-- Members see the documents of payers within reach, once they are issued, and no other
-- payer's: not even that of a sponsor who pays for their seats.

ALTER TABLE billing_document ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS within_reach ON billing_document;
CREATE POLICY within_reach ON billing_document FOR SELECT TO :"member_role"
    USING (payer_id IN (SELECT unnest(reach('money')))
           AND state <> 'draft');
GRANT SELECT ON billing_document TO :"member_role";

ALTER TABLE billing_documentline ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS within_reach ON billing_documentline;
CREATE POLICY within_reach ON billing_documentline FOR SELECT TO :"member_role"
    USING (payer_id IN (SELECT unnest(reach('money'))));
GRANT SELECT ON billing_documentline TO :"member_role";

ALTER TABLE billing_void ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS within_reach ON billing_void;
CREATE POLICY within_reach ON billing_void FOR SELECT TO :"member_role"
    USING (EXISTS (SELECT FROM billing_document AS parent
                   WHERE parent.id = document_id));
GRANT SELECT ON billing_void TO :"member_role";
