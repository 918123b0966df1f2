//! The list of all cases, once for all backends: `cases!(run)` makes a test of each.
//!
//! It holds no case itself. One that is written and not listed is dead code, which the compiler
//! reports.

/// A test for each case of one module, by the module's own function `run`.
macro_rules! cases_of {
    ($run:ident, $module:ident: $($case:ident)+) => {
        $(
            #[test]
            fn $case() {
                $run(super::$module::$case);
            }
        )+
    };
}

/// A test for each case there is.
macro_rules! cases {
    ($run:ident) => {
        cases_of!($run, transfers:
            read_gives_what_pwrite_wrote
            write_is_whole_and_nothing_around_it_changes
            write_after_the_end_extends_the_file
            transfer_larger_than_a_page_is_whole
            read_across_the_end_is_short
            read_at_and_after_the_end_gives_0
            empty_transfers_succeed_with_0
            offsets_beyond_4_gib_are_whole
            sync_datasync_and_nop_succeed
            registered_file_gives_the_same_as_a_plain_one
            plain_buffers_give_the_same_as_fixed_ones
        );
        cases_of!($run, direct:
            aligned_direct_transfers_move_the_bytes
            direct_read_across_the_end_is_short
            misaligned_direct_request_is_refused_with_the_alignment
            atomic_write_is_whole_or_refused_by_the_limit
        );
        cases_of!($run, admission:
            full_gives_the_request_back
            what_is_queued_beyond_the_window_completes
            shutdown_drains_and_refuses_what_callbacks_submit
            window_of_one_and_the_largest_window_work
            absurd_options_are_refused_by_name_and_value
            bytes_are_bounded_and_refused_requests_come_back
        );
        cases_of!($run, callbacks:
            each_request_is_called_back_exactly_once
            submit_never_calls_back
            callbacks_resubmit_and_are_never_nested
            resubmitted_operation_needs_nothing_new
            panic_reaches_the_caller_and_loses_no_other_request
            waiting_for_n_calls_back_at_least_n
            waiting_for_more_than_is_in_flight_ends
        );
        cases_of!($run, chains:
            chain_of_write_sync_and_read_gives_what_was_written
            steps_of_a_chain_run_in_order_beside_many_others
            chain_ends_at_the_step_that_fails
            chain_whose_last_step_is_refused_at_once_has_done_the_others
            chain_longer_than_the_window_is_carried_out
            chain_without_room_for_all_steps_is_handed_back
            copy_gives_the_same_bytes_and_stops_at_the_end
            file_is_read_whole_by_its_path
            many_files_are_read_whole_however_many_at_once
            pipe_is_read_whole_without_the_loss_of_a_byte
            durable_write_is_whole_by_each_method
            cancelled_and_overdue_chains_call_back_once_and_tell_their_step
        );
        cases_of!($run, buffers:
            exhausted_pool_says_none_until_a_buffer_returns
            pooled_buffers_are_aligned_and_do_not_overlap
            dropped_completions_return_their_buffers
            buffer_of_another_engine_works_and_goes_home
            buffer_outlives_its_engine
            buffer_may_be_dropped_on_another_thread
            length_gets_the_smallest_class_and_exhaustion_is_told_from_never
            default_pool_has_three_sizes
            zeroed_pool_shows_nothing_of_an_earlier_file
            callers_vector_comes_back_as_the_same_vector
            refused_operation_dropped_returns_its_buffer
        );
        cases_of!($run, failures:
            write_to_a_read_only_file_says_what_and_where
            failed_request_leaves_the_others_alone
            write_beyond_the_largest_file_says_why
            transfer_beyond_the_last_offset_is_refused
            files_that_cannot_be_opened_are_named
            read_of_a_folder_fails_and_names_it
        );
        cases_of!($run, endings:
            dropped_engine_calls_back_all_that_was_accepted
            engine_dropped_before_its_first_tick_calls_back
            what_callbacks_hold_is_dropped_with_the_engine
            file_dropped_in_flight_is_closed_after_its_last_operation
            dropped_engines_leave_no_descriptor_behind
            wait_with_a_timeout_ends
            wait_with_nothing_in_flight_does_not_hang
        );
        cases_of!($run, metrics:
            metrics_count_requests_bytes_and_latencies
            reset_metrics_start_at_zero
            report_names_the_backend_and_speaks_in_lines
        );
    };
}
