"""The decoder-only transformer, part by part; read `transformer` last, it stands on the others."""
