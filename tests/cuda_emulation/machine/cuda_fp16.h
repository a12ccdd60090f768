// Half precision is not used.
