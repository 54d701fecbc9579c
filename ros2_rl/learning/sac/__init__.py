"""Off-policy fine-tuning: replay with labels, soft actor-critic, residuals and adapters on a base."""
