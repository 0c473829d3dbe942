"""The Judge tab: tab.py wires the views of a run, each of which is a file of its own."""
