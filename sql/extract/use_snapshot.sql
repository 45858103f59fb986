-- Makes this transaction read the state that another one exported. Literal: snapshot.
SET TRANSACTION SNAPSHOT {snapshot}
