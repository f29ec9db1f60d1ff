"""What people call: segmenters for pictures, streams and recorded videos."""
