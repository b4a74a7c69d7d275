-- Prices are the same for everybody; a list that is not published is the platform's.

GRANT SELECT ON billing_meter TO :"member_role";

ALTER TABLE billing_pricelist ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS within_reach ON billing_pricelist;
CREATE POLICY within_reach ON billing_pricelist FOR SELECT TO :"member_role"
    USING (state <> 'draft');
GRANT SELECT ON billing_pricelist TO :"member_role";

ALTER TABLE billing_rate ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS within_reach ON billing_rate;
CREATE POLICY within_reach ON billing_rate FOR SELECT TO :"member_role"
    USING (EXISTS (SELECT FROM billing_pricelist AS parent
                   WHERE parent.id = price_list_id));
GRANT SELECT ON billing_rate TO :"member_role";

ALTER TABLE billing_ratetier ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS within_reach ON billing_ratetier;
CREATE POLICY within_reach ON billing_ratetier FOR SELECT TO :"member_role"
    USING (EXISTS (SELECT FROM billing_rate AS parent
                   WHERE parent.id = rate_id));
GRANT SELECT ON billing_ratetier TO :"member_role";
