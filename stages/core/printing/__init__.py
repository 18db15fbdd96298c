"""What vz prints, and what it never prints: keys, passwords, and characters that control a terminal."""
