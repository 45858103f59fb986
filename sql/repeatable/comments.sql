-- What every table, view, column and function of the published side means, stated once: `recsys migrate`
-- installs it, docs/tables.md and sql/dbt are generated from it, and a test finds what lacks. The
-- functions of the lookup have theirs in lookup.sql.

COMMENT ON TABLE recs.migration IS 'Migrations that have run in this database.';
COMMENT ON COLUMN recs.migration.number IS 'Number of the migration, which its file begins with.';
COMMENT ON COLUMN recs.migration.name IS 'Name of its file, without the ending.';
COMMENT ON COLUMN recs.migration.applied_at IS 'When it ran.';

COMMENT ON TABLE recs.id_types IS 'The types that ids have in this database, in the one row there is; who publishes or migrates locks it.';
COMMENT ON COLUMN recs.id_types.one IS 'True; keeps the table at one row.';
COMMENT ON COLUMN recs.id_types.user_id IS 'Type of user ids: bigint, uuid or text.';
COMMENT ON COLUMN recs.id_types.item_id IS 'Type of item ids: bigint, uuid or text.';

COMMENT ON TABLE recs.run IS 'One row a run of the pipeline; kept after its lists are gone.';
COMMENT ON COLUMN recs.run.run_id IS 'Number of the run, in the order of publication.';
COMMENT ON COLUMN recs.run.as_of IS 'Exclusive bound: the run knows only what was known before this instant.';
COMMENT ON COLUMN recs.run.status IS 'staged: being loaded; published: its lists are kept; held: kept, and an audit keeps it from going live; retired: its lists are gone.';
COMMENT ON COLUMN recs.run.config_hash IS 'Fingerprint of the configuration; equal for runs that were configured alike.';
COMMENT ON COLUMN recs.run.code_version IS 'Version of the package that made it.';
COMMENT ON COLUMN recs.run.models IS 'Names of the models; the lists refer to them by position, from 0.';
COMMENT ON COLUMN recs.run.users IS 'Lists that it has, empty ones among them; null until they are complete.';
COMMENT ON COLUMN recs.run.list_hash IS 'Checksum of all lists; equal for runs that published the same.';
COMMENT ON COLUMN recs.run.stats IS 'What it read, refused, trained and tuned; figures of it are rows of recs.run_metric.';
COMMENT ON COLUMN recs.run.created_at IS 'When its publication began.';
COMMENT ON COLUMN recs.run.published_at IS 'When its lists were complete; null while it is held.';
COMMENT ON COLUMN recs.run.audit IS 'Figures against the run that was live, the gates that were not passed, and the outcome.';

COMMENT ON TABLE recs.user_list IS 'One row a user and run: the list, best first, as arrays of one length.';
COMMENT ON COLUMN recs.user_list.run_id IS 'The run; a partition each.';
COMMENT ON COLUMN recs.user_list.user_id IS 'The user.';
COMMENT ON COLUMN recs.user_list.item_ids IS 'Ids of the items, best first.';
COMMENT ON COLUMN recs.user_list.scores IS 'Score of each by what ordered the list, not above the one before.';
COMMENT ON COLUMN recs.user_list.sources IS 'Place, from 0, in recs.run.models of the model that speaks most for each.';
COMMENT ON COLUMN recs.user_list.propensities IS 'Chance with which the policy placed each item there, given the list''s earlier explore entries; 1 where it does not draw.';
COMMENT ON COLUMN recs.user_list.because_ids IS 'The user''s own items that speak most for some place; null where no reasons are kept.';
COMMENT ON COLUMN recs.user_list.reasons IS 'A record a place: place before the list steps (2 bytes, from 1; 0: a step put it there), number in because_ids (2 bytes, from 1; 0: none), its part of what speaks for the item (1 byte, of 255), and 1 byte a generator: 128 + 20 sqrt(x) on either side, 0 where it is not heard. recs.why reads it.';

COMMENT ON TABLE recs.fallback_list IS 'Lists for users without their own, one row a segment and run.';
COMMENT ON COLUMN recs.fallback_list.run_id IS 'The run.';
COMMENT ON COLUMN recs.fallback_list.segment IS 'all for everybody, path=value for the users whose profile has the value.';
COMMENT ON COLUMN recs.fallback_list.item_ids IS 'Ids of the items, best first.';
COMMENT ON COLUMN recs.fallback_list.scores IS 'Smoothed share of the segment''s users who like each.';

COMMENT ON TABLE recs.live IS 'The one run that lookups answer from.';
COMMENT ON COLUMN recs.live.one IS 'True; keeps the table at one row.';
COMMENT ON COLUMN recs.live.run_id IS 'The live run.';
COMMENT ON COLUMN recs.live.switched_at IS 'When it went live.';

COMMENT ON TABLE recs.switch IS 'One row a change of the live run: publications, rollbacks, forced ones.';
COMMENT ON COLUMN recs.switch.switch_id IS 'Number of the change, in order.';
COMMENT ON COLUMN recs.switch.from_run IS 'The run that was live before; null at the first.';
COMMENT ON COLUMN recs.switch.to_run IS 'The run that went live.';
COMMENT ON COLUMN recs.switch.reason IS 'published, rollback, or forced: and why.';
COMMENT ON COLUMN recs.switch.by_user IS 'Login that changed it.';
COMMENT ON COLUMN recs.switch.switched_at IS 'When it was changed.';

COMMENT ON TABLE recs.blocked IS 'Items that a user must not see from now on, whatever lists say.';
COMMENT ON COLUMN recs.blocked.user_id IS 'The user.';
COMMENT ON COLUMN recs.blocked.item_id IS 'The item.';
COMMENT ON COLUMN recs.blocked.blocked_at IS 'When it was blocked.';

COMMENT ON TABLE recs.removed_item IS 'Items that nobody must see from now on, whatever lists say.';
COMMENT ON COLUMN recs.removed_item.item_id IS 'The item.';
COMMENT ON COLUMN recs.removed_item.removed_at IS 'When it was removed.';

COMMENT ON TABLE recs.forgotten_user IS 'Users whose lists are not published any more.';
COMMENT ON COLUMN recs.forgotten_user.user_id IS 'The user.';
COMMENT ON COLUMN recs.forgotten_user.forgotten_at IS 'When the user was forgotten first.';

COMMENT ON TABLE recs.quarantined_row IS 'One source row that a run could not use; analysts see recs.quarantine.';
COMMENT ON COLUMN recs.quarantined_row.run_id IS 'The run.';
COMMENT ON COLUMN recs.quarantined_row.source IS 'Name of the source under [sources].';
COMMENT ON COLUMN recs.quarantined_row.user_id IS 'The user, as text; null where the row has none or no id of the type.';
COMMENT ON COLUMN recs.quarantined_row.item_id IS 'The item, as text; null where the row has none or no id of the type.';
COMMENT ON COLUMN recs.quarantined_row.reject_reason IS 'The rule that the row breaks.';
COMMENT ON COLUMN recs.quarantined_row.source_row IS 'The row as read, as JSON; as text, since jsonb takes neither NaN nor \u0000.';

COMMENT ON TABLE recs.lake_folder IS 'Folders of lakes outside of this machine; a job that writes to one locks its row.';
COMMENT ON COLUMN recs.lake_folder.folder IS 'Address of the folder.';

COMMENT ON TABLE recs.item IS 'One row an item and run, of every run whose lists are kept: the catalogue and what users touched, as the run saw it.';
COMMENT ON COLUMN recs.item.run_id IS 'The run.';
COMMENT ON COLUMN recs.item.item_id IS 'The item; ids of more than 2,000 bytes have no row.';
COMMENT ON COLUMN recs.item.title IS 'Title, for people to read; null where the source has none.';
COMMENT ON COLUMN recs.item.available IS 'Whether the run could recommend it.';
COMMENT ON COLUMN recs.item.tags IS 'Labels of its profile.';
COMMENT ON COLUMN recs.item.attributes IS 'path=value of each leaf of its profile''s attributes.';
COMMENT ON COLUMN recs.item.lists IS 'Lists that have it among the places that the audit compares (gates.depth).';
COMMENT ON COLUMN recs.item.exposure IS 'Attention it gets in those places over all lists: the sum of 1 / log2(1 + rank).';

COMMENT ON TABLE recs.run_metric IS 'One row a figure of a run; kept after its lists are gone. docs/analysts.md has the names.';
COMMENT ON COLUMN recs.run_metric.run_id IS 'The run.';
COMMENT ON COLUMN recs.run_metric.name IS 'Name of the figure.';
COMMENT ON COLUMN recs.run_metric.band IS 'Users that it is of: warm, cold or unseen ones, or path=value of a segment; null for all of them.';
COMMENT ON COLUMN recs.run_metric.label IS 'What else it is of: a way to order lists, a source, a step, an earlier as-of; null where there is one a run.';
COMMENT ON COLUMN recs.run_metric.value IS 'The figure; shares are of 1, times in seconds.';
COMMENT ON COLUMN recs.run_metric.low IS 'Lower bound of its 95 % interval; null where it has none.';
COMMENT ON COLUMN recs.run_metric.high IS 'Upper bound of its 95 % interval; null where it has none.';
COMMENT ON COLUMN recs.run_metric.least IS 'What a gate wants it to be at least; null where there is none.';
COMMENT ON COLUMN recs.run_metric.most IS 'What a gate wants it to be at most, regardless of sign; null where there is none.';

COMMENT ON TABLE recs.population IS 'Users by segment and band, one row each a run; kept after its lists are gone.';
COMMENT ON COLUMN recs.population.run_id IS 'The run.';
COMMENT ON COLUMN recs.population.segment IS 'path=value of a segment with a fallback list; other for everybody else.';
COMMENT ON COLUMN recs.population.band IS 'warm (5 items touched or more), cold (fewer) or unseen (none).';
COMMENT ON COLUMN recs.population.users IS 'Active members.';
COMMENT ON COLUMN recs.population.listed IS 'Of these, with a list that holds something.';
COMMENT ON COLUMN recs.population.empty IS 'Of these, with a list that holds nothing, for whom lookups give no row.';
COMMENT ON COLUMN recs.population.fallback IS 'Of these, without a list: lookups answer with the fallback list.';
COMMENT ON COLUMN recs.population.inactive IS 'Users with an event, a block or a profile who are not active; no list is made for them.';

COMMENT ON TABLE recs.stopped_night IS 'One row a night that ended before it had lists to publish.';
COMMENT ON COLUMN recs.stopped_night.stop_id IS 'Number of the row, in order.';
COMMENT ON COLUMN recs.stopped_night.as_of IS 'As-of of the night.';
COMMENT ON COLUMN recs.stopped_night.step IS 'Step that ended it; start where it could not begin.';
COMMENT ON COLUMN recs.stopped_night.error IS 'Class of the error.';
COMMENT ON COLUMN recs.stopped_night.exit_code IS 'Exit code of the step; docs/operations.md has their meaning.';
COMMENT ON COLUMN recs.stopped_night.reason IS 'Its one message: what, which value, and what to do.';
COMMENT ON COLUMN recs.stopped_night.config_hash IS 'Fingerprint of the configuration.';
COMMENT ON COLUMN recs.stopped_night.code_version IS 'Version of the package.';
COMMENT ON COLUMN recs.stopped_night.stopped_at IS 'When it ended.';

COMMENT ON TABLE recs.rule_result IS 'One row a rule of a contract that a run, or a night that its check stopped, was held to; analysts see recs.contract_result.';
COMMENT ON COLUMN recs.rule_result.run_id IS 'The run; null where a night was stopped.';
COMMENT ON COLUMN recs.rule_result.stop_id IS 'The stopped night; null where there is a run.';
COMMENT ON COLUMN recs.rule_result.table_name IS 'Table of the lake that was checked.';
COMMENT ON COLUMN recs.rule_result.rule IS 'The rule.';
COMMENT ON COLUMN recs.rule_result.severity IS 'fail stops the night, warn is logged.';
COMMENT ON COLUMN recs.rule_result.passed IS 'Whether the rule was kept.';
COMMENT ON COLUMN recs.rule_result.observed IS 'What was found; null where it could not be told.';
COMMENT ON COLUMN recs.rule_result.allowed IS 'The limit, in words.';

COMMENT ON VIEW recs.list_item IS 'One row an item of a list, of every run that is kept.';
COMMENT ON COLUMN recs.list_item.run_id IS 'The run.';
COMMENT ON COLUMN recs.list_item.as_of IS 'Exclusive bound: the run knows only what was known before this instant.';
COMMENT ON COLUMN recs.list_item.live IS 'Whether lookups answer from the run.';
COMMENT ON COLUMN recs.list_item.user_id IS 'The user.';
COMMENT ON COLUMN recs.list_item.rank IS 'Place in the list, from 1.';
COMMENT ON COLUMN recs.list_item.item_id IS 'The item.';
COMMENT ON COLUMN recs.list_item.score IS 'Score by what ordered the list.';
COMMENT ON COLUMN recs.list_item.source IS 'Model that speaks most for the item.';
COMMENT ON COLUMN recs.list_item.propensity IS 'Chance with which the policy placed the item there, given the list''s earlier explore entries; 1 where it does not draw.';
COMMENT ON COLUMN recs.list_item.title IS 'Title as the run saw it; null where there is none.';

COMMENT ON VIEW recs.quarantine IS 'One source row that could not be used, of every run that is kept.';
COMMENT ON COLUMN recs.quarantine.run_id IS 'The run.';
COMMENT ON COLUMN recs.quarantine.as_of IS 'Exclusive bound: the run knows only what was known before this instant.';
COMMENT ON COLUMN recs.quarantine.source IS 'Name of the source under [sources].';
COMMENT ON COLUMN recs.quarantine.user_id IS 'The user, as text; null where the row has none or no id of the type.';
COMMENT ON COLUMN recs.quarantine.item_id IS 'The item, as text; null where the row has none or no id of the type.';
COMMENT ON COLUMN recs.quarantine.reject_reason IS 'The rule that the row breaks.';
COMMENT ON COLUMN recs.quarantine.source_row IS 'The row as read, as JSON; as text, since jsonb takes neither NaN nor \u0000.';

COMMENT ON VIEW recs.run_summary IS 'One row a run with the figures that are asked for most; recs.run_metric has all of them.';
COMMENT ON COLUMN recs.run_summary.run_id IS 'The run.';
COMMENT ON COLUMN recs.run_summary.as_of IS 'Exclusive bound: the run knows only what was known before this instant.';
COMMENT ON COLUMN recs.run_summary.status IS 'published, held or retired.';
COMMENT ON COLUMN recs.run_summary.live IS 'Whether lookups answer from the run.';
COMMENT ON COLUMN recs.run_summary.compared_with IS 'Run that was live when this one was published; null where it was compared with none.';
COMMENT ON COLUMN recs.run_summary.lists IS 'Lists that it has, empty ones among them.';
COMMENT ON COLUMN recs.run_summary.created_at IS 'When its publication began.';
COMMENT ON COLUMN recs.run_summary.published_at IS 'When its lists were complete; null while it is held.';
COMMENT ON COLUMN recs.run_summary.ndcg IS 'NDCG@20 of what orders the lists, on the holdout.';
COMMENT ON COLUMN recs.run_summary.ndcg_low IS 'Lower bound of its 95 % interval.';
COMMENT ON COLUMN recs.run_summary.ndcg_high IS 'Upper bound of its 95 % interval.';
COMMENT ON COLUMN recs.run_summary.coverage IS 'Share of the available items that are in at least one list.';
COMMENT ON COLUMN recs.run_summary.gini IS 'Gini coefficient of the available items'' exposure: 0 = all get the same, near 1 = few get all.';
COMMENT ON COLUMN recs.run_summary.top_1_percent_share IS 'Share of all exposure that the hundredth part of the available items with the most gets.';
COMMENT ON COLUMN recs.run_summary.overlap IS 'Mean share of a user''s items that the run it was compared with has too.';
COMMENT ON COLUMN recs.run_summary.churn IS 'Mean share of a user''s places that hold another item than in the run it was compared with.';
COMMENT ON COLUMN recs.run_summary.fallback_share IS 'Share of the active users without a list.';
COMMENT ON COLUMN recs.run_summary.empty_share IS 'Share of the lists that hold nothing.';
COMMENT ON COLUMN recs.run_summary.seconds IS 'Seconds that its steps took together.';

COMMENT ON VIEW recs.night IS 'One row a run or a night that was stopped: what became of it, and why.';
COMMENT ON COLUMN recs.night.as_of IS 'As-of of the night.';
COMMENT ON COLUMN recs.night.outcome IS 'live: went live; history: was not to; held: a gate kept it from going live; forced: held, and published by hand; stopped: ended before it had lists.';
COMMENT ON COLUMN recs.night.run_id IS 'The run; null where the night was stopped.';
COMMENT ON COLUMN recs.night.step IS 'Step that stopped it; null where there is a run.';
COMMENT ON COLUMN recs.night.reason IS 'Gates that were not passed, or the error; null where there is nothing to tell.';
COMMENT ON COLUMN recs.night.ended_at IS 'When its lists were complete, or it was stopped; of a held run, when its publication began.';
COMMENT ON COLUMN recs.night.stop_id IS 'Row of recs.stopped_night; null where there is a run.';

COMMENT ON VIEW recs.gate_result IS 'One row a gate and run: the figure, its limit, and whether it was kept.';
COMMENT ON COLUMN recs.gate_result.run_id IS 'The run.';
COMMENT ON COLUMN recs.gate_result.as_of IS 'Exclusive bound: the run knows only what was known before this instant.';
COMMENT ON COLUMN recs.gate_result.figure IS 'Figure that the gate limits.';
COMMENT ON COLUMN recs.gate_result.value IS 'The figure.';
COMMENT ON COLUMN recs.gate_result.least IS 'What it has to be at least.';
COMMENT ON COLUMN recs.gate_result.most IS 'What it has to be at most, regardless of sign.';
COMMENT ON COLUMN recs.gate_result.passed IS 'Whether the gate was passed.';

COMMENT ON VIEW recs.contract_result IS 'One row a rule of a contract that a run, or a night that its check stopped, was held to.';
COMMENT ON COLUMN recs.contract_result.as_of IS 'As-of of the night.';
COMMENT ON COLUMN recs.contract_result.run_id IS 'The run; null where a night was stopped.';
COMMENT ON COLUMN recs.contract_result.stop_id IS 'Row of recs.stopped_night; null where there is a run.';
COMMENT ON COLUMN recs.contract_result.table_name IS 'Table of the lake that was checked.';
COMMENT ON COLUMN recs.contract_result.rule IS 'The rule.';
COMMENT ON COLUMN recs.contract_result.severity IS 'fail stops the night, warn is logged.';
COMMENT ON COLUMN recs.contract_result.passed IS 'Whether the rule was kept.';
COMMENT ON COLUMN recs.contract_result.observed IS 'What was found; null where it could not be told.';
COMMENT ON COLUMN recs.contract_result.allowed IS 'The limit, in words.';

COMMENT ON VIEW recs.quarantine_rule IS 'One row a rule, source and run: how many rows could not be used; kept after the rows are gone.';
COMMENT ON COLUMN recs.quarantine_rule.run_id IS 'The run.';
COMMENT ON COLUMN recs.quarantine_rule.as_of IS 'Exclusive bound: the run knows only what was known before this instant.';
COMMENT ON COLUMN recs.quarantine_rule.source IS 'Name of the source under [sources].';
COMMENT ON COLUMN recs.quarantine_rule.reject_reason IS 'The rule that the rows break.';
COMMENT ON COLUMN recs.quarantine_rule.refused IS 'Rows that break it.';
COMMENT ON COLUMN recs.quarantine_rule.read IS 'Rows that were read of the source.';

COMMENT ON VIEW recs.step_time IS 'One row a step and run: how long it took.';
COMMENT ON COLUMN recs.step_time.run_id IS 'The run.';
COMMENT ON COLUMN recs.step_time.as_of IS 'Exclusive bound: the run knows only what was known before this instant.';
COMMENT ON COLUMN recs.step_time.step IS 'The step; publish_lists to the moment before the run was complete.';
COMMENT ON COLUMN recs.step_time.seconds IS 'Seconds it took, without the start of its process.';

COMMENT ON VIEW recs.market_health IS 'Two rows a run of a market of people, and two for each of its largest segments: what they can expect of its lists, and of lists by what each wants alone.';
COMMENT ON COLUMN recs.market_health.run_id IS 'The run.';
COMMENT ON COLUMN recs.market_health.as_of IS 'Exclusive bound: the run knows only what was known before this instant.';
COMMENT ON COLUMN recs.market_health.lists IS 'reciprocal: the lists before later list steps; one_sided: those of the same pools by each person''s own chance of a yes.';
COMMENT ON COLUMN recs.market_health.expected_matches IS 'Pairs of whom both look at the other and say yes, to be expected by calibrated chances; of a segment those with one of its people, twice where both are.';
COMMENT ON COLUMN recs.market_health.unmatched_share IS 'Share of the people with a list who can expect none: nobody on their list has them on theirs.';
COMMENT ON COLUMN recs.market_health.match_rate IS 'Mean chance that both say yes, of an entry of the lists.';
COMMENT ON COLUMN recs.market_health.gini_matches IS 'Gini coefficient of people''s expected matches.';
COMMENT ON COLUMN recs.market_health.gini_exposure IS 'Gini coefficient of the attention that people get.';
COMMENT ON COLUMN recs.market_health.top_1_percent_share IS 'Share of all attention that the hundredth part of the people with the most gets.';
COMMENT ON COLUMN recs.market_health.envied_others IS 'Others with whose attention a person could expect more matches, a mean over 500 people; null of a segment.';
COMMENT ON COLUMN recs.market_health.nash_welfare IS 'Geometric mean of people''s expected matches.';
COMMENT ON COLUMN recs.market_health.unseen_share IS 'Share of the people with a list who are on nobody''s.';
COMMENT ON COLUMN recs.market_health.demand_over_supply IS 'Attention that the people of the segment get, over what they give to those on their lists: above 1, more is wanted of them than they look for; null of everybody, of whom it is 1.';
COMMENT ON COLUMN recs.market_health.segment IS 'path=value by segments.attribute; null for everybody.';
COMMENT ON COLUMN recs.market_health.likes_calibration_error IS 'Expected calibration error of the chances to turn to somebody, on pairs that the calibration was not fitted on; of everybody, where lists is reciprocal.';
COMMENT ON COLUMN recs.market_health.answers_calibration_error IS 'The same of the chances to answer somebody who has turned to one; null where too few answers are known, and chances are those of likes.';

COMMENT ON VIEW recs.market_outcome IS 'One row an as-of whose run went live and a later run has looked back at: what followed the first places of its lists.';
COMMENT ON COLUMN recs.market_outcome.as_of IS 'Exclusive bound: the run knew only what was known before this instant.';
COMMENT ON COLUMN recs.market_outcome.run_id IS 'The run.';
COMMENT ON COLUMN recs.market_outcome.known_through IS 'As-of of the run that counted: what came later is not in it.';
COMMENT ON COLUMN recs.market_outcome.lists IS 'Lists that held something.';
COMMENT ON COLUMN recs.market_outcome.entries IS 'Entries in the first gates.depth places of them.';
COMMENT ON COLUMN recs.market_outcome.yeses IS 'Of these, entries that the user turned to after the run, wherever it was seen.';
COMMENT ON COLUMN recs.market_outcome.yes_rate IS 'Yeses an entry.';
COMMENT ON COLUMN recs.market_outcome.yes_share IS 'Share of the lists with a yes.';
COMMENT ON COLUMN recs.market_outcome.matches IS 'Pairs of people who both said yes, one of them after the run and to an entry of the own list; null where items are no people.';
COMMENT ON COLUMN recs.market_outcome.expected_matches IS 'What the run expected, by recs.market_health.';
COMMENT ON COLUMN recs.market_outcome.unmatched_share IS 'Share of the people with a list who are in none of these pairs.';
COMMENT ON COLUMN recs.market_outcome.expected_unmatched_share IS 'Share of them who could expect none.';
COMMENT ON COLUMN recs.market_outcome.counted_by IS 'The run that counted.';

COMMENT ON VIEW recs.market_replies IS 'Ten rows an as-of of recs.market_outcome, of a market of people: whether those who are shown much answer.';
COMMENT ON COLUMN recs.market_replies.as_of IS 'Exclusive bound: the run knew only what was known before this instant.';
COMMENT ON COLUMN recs.market_replies.run_id IS 'The run.';
COMMENT ON COLUMN recs.market_replies.known_through IS 'As-of of the run that counted: what came later is not in it.';
COMMENT ON COLUMN recs.market_replies.decile IS '1 to 10: tenths of the people on any list, by the number of lists that hold them; 10 is on most.';
COMMENT ON COLUMN recs.market_replies.people IS 'People in the tenth.';
COMMENT ON COLUMN recs.market_replies.listed IS 'Entries in the first gates.depth places of all lists that showed them.';
COMMENT ON COLUMN recs.market_replies.asked IS 'Of these, entries that the user turned to after the run, where the other had not turned to the user before.';
COMMENT ON COLUMN recs.market_replies.answered IS 'Of those asked, pairs in which the other has turned to the user since.';
COMMENT ON COLUMN recs.market_replies.reply_rate IS 'Answered over asked.';

COMMENT ON VIEW recs.item_exposure IS 'One row an item and run: how much it is shown.';
COMMENT ON COLUMN recs.item_exposure.run_id IS 'The run.';
COMMENT ON COLUMN recs.item_exposure.as_of IS 'Exclusive bound: the run knows only what was known before this instant.';
COMMENT ON COLUMN recs.item_exposure.item_id IS 'The item.';
COMMENT ON COLUMN recs.item_exposure.title IS 'Title as the run saw it.';
COMMENT ON COLUMN recs.item_exposure.available IS 'Whether the run could recommend it.';
COMMENT ON COLUMN recs.item_exposure.lists IS 'Lists that have it among the places that the audit compares.';
COMMENT ON COLUMN recs.item_exposure.exposure IS 'Attention it gets there: the sum of 1 / log2(1 + rank).';
COMMENT ON COLUMN recs.item_exposure.share IS 'Its share of all exposure of the run.';

COMMENT ON VIEW recs.segment_share IS 'One row a segment and run: whom lookups answer with what.';
COMMENT ON COLUMN recs.segment_share.run_id IS 'The run.';
COMMENT ON COLUMN recs.segment_share.as_of IS 'Exclusive bound: the run knows only what was known before this instant.';
COMMENT ON COLUMN recs.segment_share.segment IS 'path=value of a segment with a fallback list; other for everybody else.';
COMMENT ON COLUMN recs.segment_share.users IS 'Active members.';
COMMENT ON COLUMN recs.segment_share.listed IS 'Of these, with a list that holds something.';
COMMENT ON COLUMN recs.segment_share.fallback_share IS 'Share without a list, whom the fallback list answers.';
COMMENT ON COLUMN recs.segment_share.cold_share IS 'Share who touched fewer than 5 items, or none.';
COMMENT ON COLUMN recs.segment_share.empty_share IS 'Share with a list that holds nothing.';
COMMENT ON COLUMN recs.segment_share.inactive IS 'Users who are not active; no list is made for them.';

COMMENT ON VIEW recs.user_change IS 'One row a user with a list in a run and in the one it was compared with, while both are kept.';
COMMENT ON COLUMN recs.user_change.run_id IS 'The run.';
COMMENT ON COLUMN recs.user_change.compared_with IS 'Run that was live when it was published.';
COMMENT ON COLUMN recs.user_change.user_id IS 'The user.';
COMMENT ON COLUMN recs.user_change.places IS 'Places of a list that are compared.';
COMMENT ON COLUMN recs.user_change.overlap IS 'Share of the places of the longer list that both lists have the item of.';
COMMENT ON COLUMN recs.user_change.churn IS 'Share of those places that hold another item than before.';

COMMENT ON VIEW recs.user_without_list IS 'One row a user and run whose lookup gives nothing, and why; members without a row are counted in recs.population.';
COMMENT ON COLUMN recs.user_without_list.run_id IS 'The run.';
COMMENT ON COLUMN recs.user_without_list.as_of IS 'Exclusive bound: the run knows only what was known before this instant.';
COMMENT ON COLUMN recs.user_without_list.user_id IS 'The user.';
COMMENT ON COLUMN recs.user_without_list.reason IS 'Why there is nothing to give.';

COMMENT ON VIEW recs.freshness IS 'How old the live lists are; no row before the first publication.';
COMMENT ON COLUMN recs.freshness.run_id IS 'The live run.';
COMMENT ON COLUMN recs.freshness.data_through IS 'The newest event that the live run knows; null where no source of events was checked.';
COMMENT ON COLUMN recs.freshness.published_at IS 'When its lists were complete.';
COMMENT ON COLUMN recs.freshness.switched_at IS 'When it went live.';
COMMENT ON COLUMN recs.freshness.data_age IS 'Time since data_through.';
COMMENT ON COLUMN recs.freshness.lists_age IS 'Time since published_at.';
COMMENT ON COLUMN recs.freshness.last_stopped_at IS 'When a night was last stopped; null where none was.';
COMMENT ON COLUMN recs.freshness.as_of IS 'Exclusive bound: the run knows only what was known before this instant.';

COMMENT ON FUNCTION recs.remove_item IS 'From the next lookup on, nobody gets the item.';
COMMENT ON FUNCTION recs.why IS 'Why an item is on a user''s list of a run, by default the live one, from what was kept with it: one row, whose verdict says listed, or what keeps it from being shown.';
COMMENT ON FUNCTION recs.delete_lists IS 'Deletes a forgotten user''s lists once more when the transaction ends, with those that were published meanwhile.';
