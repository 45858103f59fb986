-- Keeps a switch of the live run, the removal of old runs and the end of forgetting a user apart; held
-- to the transaction's end. Nobody but the writer can hold it. Readers do not wait.
LOCK TABLE recs.live IN SHARE ROW EXCLUSIVE MODE
