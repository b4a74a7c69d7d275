-- Members see the budgets of their agencies, whoever set them.

ALTER TABLE billing_budget ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS within_reach ON billing_budget;
CREATE POLICY within_reach ON billing_budget FOR SELECT TO :"member_role"
    USING (agency_id IN (SELECT unnest(reach('budgets'))));
GRANT SELECT ON billing_budget TO :"member_role";

ALTER TABLE billing_budgetmonth ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS within_reach ON billing_budgetmonth;
CREATE POLICY within_reach ON billing_budgetmonth FOR SELECT TO :"member_role"
    USING (EXISTS (SELECT FROM billing_budget AS parent
                   WHERE parent.id = budget_id));
GRANT SELECT ON billing_budgetmonth TO :"member_role";

ALTER TABLE billing_budgetalert ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS within_reach ON billing_budgetalert;
CREATE POLICY within_reach ON billing_budgetalert FOR SELECT TO :"member_role"
    USING (EXISTS (SELECT FROM billing_budget AS parent
                   WHERE parent.id = budget_id));
GRANT SELECT ON billing_budgetalert TO :"member_role";
