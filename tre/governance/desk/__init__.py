"""What people see of themselves, of a project and of the house, gathered once: pages and commands say the same."""
