"""Ways that frames reach the hub: bytes in, bytes out."""
