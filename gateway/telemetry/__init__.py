"""What the gateway tells about itself: its log."""
