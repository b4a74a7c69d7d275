-- Which agencies members see. The names are of all that anything within reach is about.

ALTER TABLE seats_agency ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS within_reach ON seats_agency;
CREATE POLICY within_reach ON seats_agency FOR SELECT TO :"member_role"
    USING (id IN (SELECT unnest(reach('names'))));
GRANT SELECT ON seats_agency TO :"member_role";

ALTER TABLE seats_agencyzone ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS within_reach ON seats_agencyzone;
CREATE POLICY within_reach ON seats_agencyzone FOR SELECT TO :"member_role"
    USING (agency_id IN (SELECT unnest(reach('names'))));
GRANT SELECT ON seats_agencyzone TO :"member_role";

-- Both ends of an edge are within reach: nobody looks upwards.
ALTER TABLE seats_upline ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS within_reach ON seats_upline;
CREATE POLICY within_reach ON seats_upline FOR SELECT TO :"member_role"
    USING (agency_id IN (SELECT unnest(reach('agencies')))
           AND upline_id IN (SELECT unnest(reach('agencies'))));
GRANT SELECT ON seats_upline TO :"member_role";
