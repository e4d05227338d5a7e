"""The harness: the contract a system is tested through, and the servers it is tested on. It knows no system."""
