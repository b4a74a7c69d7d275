-- Agents, and the changes of seats, which are rows of their own.

SELECT audit_table('seats_agent', 'id', 'agency_id', '', '{name,external_id}');
SELECT audit_table('seats_seatversion', 'id', 'agency_id', '', '{seat_id}', '{}',
                   '{cutoff,recorded_at}');
