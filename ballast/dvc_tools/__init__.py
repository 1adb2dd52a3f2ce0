"""Work with DVC: its cache, its ignore file and its experiments."""
