"""The launcher of builds and workers, and the guards that it sets up."""
