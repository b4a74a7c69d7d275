-- Members see what is done about late money of payers within reach.

ALTER TABLE billing_dunningcase ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS within_reach ON billing_dunningcase;
CREATE POLICY within_reach ON billing_dunningcase FOR SELECT TO :"member_role"
    USING (payer_id IN (SELECT unnest(reach('money'))));
GRANT SELECT ON billing_dunningcase TO :"member_role";

ALTER TABLE billing_dunningstep ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS within_reach ON billing_dunningstep;
CREATE POLICY within_reach ON billing_dunningstep FOR SELECT TO :"member_role"
    USING (EXISTS (SELECT FROM billing_dunningcase AS parent
                   WHERE parent.id = case_id));
GRANT SELECT ON billing_dunningstep TO :"member_role";

ALTER TABLE billing_dunninghold ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS within_reach ON billing_dunninghold;
CREATE POLICY within_reach ON billing_dunninghold FOR SELECT TO :"member_role"
    USING (payer_id IN (SELECT unnest(reach('money'))));
GRANT SELECT ON billing_dunninghold TO :"member_role";
