"""PostgreSQL's own journal, the write-ahead log, decoded: which rows were committed, by which transaction, when."""
