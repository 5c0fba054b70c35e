//! The list of cases, once for each database.

use futures::future::LocalBoxFuture;

use crate::world::World;

/// A case, on whatever world it is given.
pub(crate) type Case = for<'w> fn(&'w World) -> LocalBoxFuture<'w, ()>;

/// Makes a test of every case of a group for every database.
macro_rules! group {
    ($group:ident: $($case:ident),* $(,)?) => {
        pub(crate) mod $group {
            pub(crate) const CASES: &[(&str, crate::groups::Case)] = &[$((
                concat!(stringify!($group), "::", stringify!($case)),
                |world| Box::pin(crate::conformance::$group::$case(world)),
            )),*];

            mod sqlite {
                $(crate::groups::case!($group::$case, sqlite);)*
            }
            mod postgres {
                $(crate::groups::case!($group::$case, postgres);)*
            }
        }
    };
}

/// One case on one database.
macro_rules! case {
    ($group:ident::$case:ident, $database:ident) => {
        #[tokio::test]
        async fn $case() {
            let world = crate::world::World::$database().await;
            crate::conformance::$group::$case(&world).await;
            world.store.projects().await.unwrap();
        }
    };
}
pub(crate) use case;

group! { access:
    a_project_is_made_once_and_its_name_is_its_own,
    a_key_is_found_by_its_hash,
    a_sign_in_code_works_once_and_in_time,
    a_downgrade_pauses_the_youngest_and_the_too_frequent,
    an_upgrade_does_not_resume_what_is_switched_off,
}

group! { bots:
    an_agent_is_made_once_and_found_by_id_and_number,
    the_hosts_of_an_agent_are_kept_changed_and_taken_away,
    switching_off_pauses_and_stops_and_switching_on_resumes,
    a_deleted_agent_takes_its_heartbeats_along_and_leaves_their_rows,
}

group! { credits:
    every_level_lowers_max_tokens_then_refuses_and_pauses,
    holds_of_others_make_every_level_busy_and_not_exhausted,
    a_lost_turn_costs_its_input_bound_on_every_level,
    a_bill_beyond_the_reservation_is_charged_told_and_pauses_on_every_level,
    a_higher_limit_lets_what_it_paused_go_on,
    an_entry_is_put_on_the_balance_once_and_never_takes_more_than_is_there,
    beyond_the_plans_credits_the_balance_pays_until_it_is_empty,
    another_plan_lets_what_waited_for_credits_go_on,
    rows_periods_and_usage_agree_to_the_credit,
}

group! { executions:
    logs_are_filtered_newest_first_and_open_ones_only_if_asked,
    a_thread_holds_what_was_said_and_the_last_run_is_not_a_skip,
    pruning_takes_what_is_old_and_leaves_what_is_open,
    tending_the_history_moves_no_row_and_ends_nothing,
}

group! { fires:
    a_due_heartbeat_is_claimed_started_finished_and_claimed_again,
    claims_of_two_nodes_do_not_overlap,
    a_node_whose_lease_has_passed_claims_nothing,
    a_late_renewal_holds_until_somebody_took_over,
    an_execution_of_a_dead_node_is_taken_over_and_the_dead_is_fenced,
    a_node_is_listed_with_what_it_last_said_of_itself,
    a_node_that_ends_gives_its_executions_back_at_once,
    a_released_execution_is_claimable_at_once,
    finishing_again_gives_the_first_answer_and_one_effect,
    moments_that_pass_while_it_runs_are_one_row,
    the_latest_moment_after_downtime_is_caught_up_with,
    what_fell_due_in_downtime_is_released_over_a_minute,
    a_backlog_of_one_project_leaves_room_for_the_others,
    claims_take_turns_between_projects_and_the_oldest_first_within,
    a_trigger_is_carried_out_and_moves_no_grid,
    a_trigger_while_it_runs_is_a_skipped_row,
    triggering_again_with_one_id_gives_the_first_answer,
    errors_in_a_row_open_the_breaker_at_exactly_the_limit,
    a_pause_with_an_end_ends_by_itself_on_the_grid,
    a_node_is_told_what_it_holds,
    a_node_is_told_which_of_its_executions_are_to_stop,
    a_deleted_heartbeats_execution_still_finds_its_end,
    verbs_that_share_a_commit_do_not_hurt_each_other,
}

group! { heartbeats:
    creating_again_finds_the_first_and_changes_nothing,
    input_comes_before_limits_and_the_agent_before_both,
    the_cap_holds_when_all_come_at_once,
    a_local_watch_needs_local_access,
    everything_that_was_set_is_read_back,
    an_edit_of_the_schedule_starts_the_grid_anew_and_covers_the_old,
    being_off_is_on_record_and_enabling_starts_a_grid,
    a_disabled_heartbeats_run_ends_without_moving_it,
    deleting_accounts_for_what_was_due,
    a_pause_stops_everything_within_reach_and_its_end_resumes_just_that,
    the_end_of_one_pause_uncovers_the_next_reason,
}

group! { isolation:
    another_projects_agents_and_heartbeats_are_not_found,
    another_projects_record_is_not_found,
}

group! { journal:
    the_first_request_stays_what_it_was,
    beginning_a_turn_again_reserves_once,
    a_turn_on_record_is_not_begun_again,
    max_tokens_is_lowered_before_a_turn_is_refused,
    twenty_executions_at_once_do_not_overspend_a_day,
    a_turn_lost_with_its_node_costs_its_input_and_is_asked_again,
    a_cancelled_execution_begins_nothing_more,
    a_calls_result_and_its_notices_are_written_once,
    calls_of_a_former_holder_are_settled_by_what_may_be_repeated,
    a_call_is_begun_again_only_where_it_may_be,
    a_call_that_was_to_stop_is_not_begun_again,
    a_persons_word_is_kept_and_the_last_one_clears_the_mark,
    what_waits_for_a_word_keeps_its_steps,
    a_known_outcome_takes_no_word,
    a_late_holder_writes_that_it_sent_and_nothing_else,
    a_bill_above_the_reservation_is_charged_and_pauses,
}

group! { outbox:
    the_same_state_of_a_topic_is_silence,
    the_end_of_a_topic_is_told_only_where_something_was_told,
    a_delivery_is_held_tried_again_and_ended_once,
    what_cannot_be_delivered_is_visible_until_it_is_read,
}

group! { stats:
    counts_are_those_of_the_rows,
}

group! { stopping:
    a_turn_that_is_given_up_is_lost_and_costs_its_input,
    a_turn_that_has_ended_or_is_anothers_is_not_given_up,
    a_pause_holds_at_once_though_heartbeats_are_marked_little_by_little,
    an_edit_of_what_is_not_marked_yet_loses_no_moment,
    what_a_pause_left_unmarked_is_found_and_marked_by_whoever_looks,
    a_resume_that_overtakes_a_pause_leaves_everything_active,
    an_agent_that_is_switched_off_is_marked_little_by_little_too,
}

group! { tool_servers:
    a_tool_server_is_made_once_and_listed_oldest_first,
    a_label_is_an_agents_own_and_a_wrong_field_is_named,
    a_plan_caps_the_tool_servers_of_a_project,
    headers_are_opened_for_whoever_calls_and_for_nobody_else,
    a_change_keeps_replaces_and_drops_headers,
    a_server_that_moves_does_not_take_secrets_along,
    a_fresh_list_keeps_decisions_and_what_changed_asks,
    decisions_are_taken_over_all_or_none,
    trouble_leaves_the_tools_and_ends_with_the_next_list,
    a_deleted_tool_server_is_gone_and_so_are_those_of_a_deleted_agent,
    another_projects_and_another_agents_tool_servers_are_not_found,
}

/// Every case of every group.
pub(crate) fn all() -> impl Iterator<Item = (&'static str, Case)> {
    let groups = [
        access::CASES,
        bots::CASES,
        credits::CASES,
        executions::CASES,
        fires::CASES,
        heartbeats::CASES,
        isolation::CASES,
        journal::CASES,
        outbox::CASES,
        stats::CASES,
        stopping::CASES,
        tool_servers::CASES,
    ];
    groups.into_iter().flatten().copied()
}
