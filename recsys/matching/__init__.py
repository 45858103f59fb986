"""Lists of people for people: both must want it, and nobody may drown in attention."""
