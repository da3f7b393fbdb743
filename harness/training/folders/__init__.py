"""Images and their annotations, read from the layouts in which data sets really lie."""
