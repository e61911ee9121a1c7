"""Tests of the set-up: python3 -m unittest discover -s models/setup/tests -t models/setup"""
