"""How scores are judged: metrics, evaluations, aggregates, models, published tables. No torch."""
