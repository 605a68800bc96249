"""Result files -> tables, figures and one self-contained report. Reads run records, never changes them."""
