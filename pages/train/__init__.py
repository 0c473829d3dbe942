"""The Train tab: tab.py wires the form, the jobs and what a finished one is good for."""
