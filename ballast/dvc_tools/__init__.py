"""What Ballast asks of DVC: its cache, its ignore file, its experiments."""
