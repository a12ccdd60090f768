"""What statistics take in place of whole trains, and sums that a simulator makes of it while it runs."""
