"""Suites: many trainings that are compared in one table."""
