"""Extractive question answering readers: ask, train and judge them."""
