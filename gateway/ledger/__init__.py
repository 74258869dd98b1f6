"""The books of the calls: what happens in them is stored, told and never lost; a call always has an end."""
