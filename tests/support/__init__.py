"""What tests of several folders share: databases, apps made on the spot, errors on demand, waiting."""
