-- Agents, and the changes of seats, which are rows of their own, under the seat's key.

SELECT audit_table('seats_agent', 'id', 'agency_id', '', '{name,external_id}');
SELECT audit_table('seats_seatversion', 'seat_id', 'agency_id', '', '{agent_id}', '{}',
                   '{cutoff,recorded_at}');
