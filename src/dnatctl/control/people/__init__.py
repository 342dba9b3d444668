"""What people are told, and what they tell: events, status, counts, doors, orders."""
