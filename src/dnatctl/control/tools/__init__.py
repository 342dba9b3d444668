"""What commands do with the parts of a controller that is not running."""
