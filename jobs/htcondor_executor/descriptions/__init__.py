"""What is written for HTCondor: DAGs, submit descriptions, policies, and the code that travels."""
