"""The demo center: invented people and a month of work, made by the real services on a simulated clock."""
