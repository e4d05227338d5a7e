"""Control: pause, resume, cancel, terminate, reset, retry and signal, for one workflow or for many."""
