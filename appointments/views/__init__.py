"""The technician's phone: the day's list, one visit, and what the phone sends."""
