"""A chat: messages in pages, who is typing, and the page that shows them."""
