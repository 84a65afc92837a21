"""A sample model server: hand-written digits, classified by scikit-learn."""
