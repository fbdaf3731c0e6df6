"""The closed loop without hands: synthetic people answer through HTTP, everything else is what a researcher would press."""
