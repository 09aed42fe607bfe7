"""What the console shows and does, made of what commands show and do."""
