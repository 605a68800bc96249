"""Many workers as one machine: who does what, what they are told and say, and the Ray cluster that they run on."""
