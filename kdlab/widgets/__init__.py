"""What is drawn on screen: browser-side views, controls and the loop that draws them."""
