"""From a sweep to points and jobs. Nothing is written."""
