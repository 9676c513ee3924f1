"""Widgets that several pages share; imports figures and the registry."""
