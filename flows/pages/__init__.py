"""What do people open after an experiment, and after a night of them?"""
