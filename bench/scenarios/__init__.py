"""What is measured, one module per question; each has ``run(bench)``."""
