"""What runs by itself: claim what is due, run it, finish it; fire crons; keep the tables tidy."""
