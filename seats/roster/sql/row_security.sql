-- Which agents and seats members see. Who is an agent sees what is its own.

ALTER TABLE seats_agent ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS within_reach ON seats_agent;
CREATE POLICY within_reach ON seats_agent FOR SELECT TO :"member_role"
    USING (agency_id IN (SELECT unnest(reach('seats')))
           OR id IN (SELECT unnest(reach('agents'))));
GRANT SELECT ON seats_agent TO :"member_role";

ALTER TABLE seats_seat ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS within_reach ON seats_seat;
CREATE POLICY within_reach ON seats_seat FOR SELECT TO :"member_role"
    USING (agency_id IN (SELECT unnest(reach('seats')))
           OR agent_id IN (SELECT unnest(reach('agents'))));
GRANT SELECT ON seats_seat TO :"member_role";

ALTER TABLE seats_seatholding ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS within_reach ON seats_seatholding;
CREATE POLICY within_reach ON seats_seatholding FOR SELECT TO :"member_role"
    USING (agency_id IN (SELECT unnest(reach('seats')))
           OR agent_id IN (SELECT unnest(reach('agents'))));
GRANT SELECT ON seats_seatholding TO :"member_role";

ALTER TABLE seats_seatversion ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS within_reach ON seats_seatversion;
CREATE POLICY within_reach ON seats_seatversion FOR SELECT TO :"member_role"
    USING (agency_id IN (SELECT unnest(reach('seats')))
           OR agent_id IN (SELECT unnest(reach('agents'))));
GRANT SELECT ON seats_seatversion TO :"member_role";
