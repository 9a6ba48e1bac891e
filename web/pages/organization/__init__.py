"""The pages of an organization, for its members."""
