"""Checks of the account before an apply: what would make the plan or a rollout fail. Reads only.

specs, plan and observed state ──► case.py ──► checks/*.py, which yield calls ──► examine.py ──► findings
"""
