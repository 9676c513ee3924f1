"""What several pages draw and control, without any page's own parts; imports figures and the registry."""
