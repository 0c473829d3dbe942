"""The Ask tab: tab.py lays it out and wires it; each section beneath the text is a file of its own."""
