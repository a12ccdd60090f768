"""What HTCondor's event logs say, in words that a user understands."""
