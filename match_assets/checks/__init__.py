"""The gates as blocking, partitioned asset checks. The rules stand in ``gates``, the verdict's effect in ``stages.base``."""
