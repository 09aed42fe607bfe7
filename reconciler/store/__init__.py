"""What must outlive a process and is not in AWS already: who may write, what happened, what was done."""
