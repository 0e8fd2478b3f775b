"""What users write: jobs, their options, how they are found by name, and how a run can end."""
