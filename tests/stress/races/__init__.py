"""Cancels that race with runs, very many of them: exactly one wins each, and every answer that was given stays true."""
