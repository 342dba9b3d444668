"""What a decision rests on: seen at one moment, asked for where the caches do not know."""
