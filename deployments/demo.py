"""demo placeholder"""
PLANNED=()
