"""Buildings, doctors, hours, displays."""
