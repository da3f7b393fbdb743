"""Ground truth of one's own: many trainings, kept in a journal."""
